//! The command line: what it prints, and the codes it ends with.

use std::process::{Command, Output};

use crate::double::{Cheat, start};

fn call(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_roomtone-loadtest"))
        .args(words)
        .output()
        .expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn shipped_scenarios_are_listed_printed_and_valid() {
    let list = text(&call(&["list"]).stdout);
    assert!(list.lines().count() >= 9, "{list}");
    for name in list.lines().filter_map(|line| line.split_whitespace().next()) {
        assert!(call(&["validate", name]).status.success(), "{name}");
        assert!(text(&call(&["print", name]).stdout).contains(&format!("name = \"{name}\"")));
    }
}

#[test]
fn a_wrong_file_is_refused_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wrong.toml");
    std::fs::write(&file, "name = \"x\"\n[[scenario]]\nname = \"y\"\nexecutor = { kind = \"constant-vus\", vus = 1, duration_s = 1 }\nroms = 3\n")
        .expect("written");
    let output = call(&["validate", file.to_str().expect("a path")]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.contains("wrong.toml:5: ") && said.contains("roms") && said.contains("rooms"),
        "{said}"
    );
}

#[test]
fn nothing_that_listens_is_said_so() {
    let output = call(&["run", "no-such-scenario"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("see list"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crossed_threshold_ends_with_99_and_both_reports_are_written() {
    let url = start(Cheat::Nothing).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (plan, json, html) = (path("plan.toml"), path("out.json"), path("out.html"));
    let write = |bound: &str| {
        let text = format!(
            "name = \"<b>mine</b>\"\nthresholds = {{ edits = [\"count{bound}\"] }}\n[[scenario]]\nname = \"all\"\nroom = \"honest\"\n\
             executor = {{ kind = \"per-vu-iterations\", vus = 3, iterations = 2, duration_s = 1 }}\n\
             actions = [{{ kind = \"typing\", per_s = 10 }}]\n"
        );
        std::fs::write(&plan, text).expect("written");
    };
    let run = || {
        let words = [
            "run", &plan, "--target", &url, "--json", &json, "--html", &html, "--quiet",
        ]
        .map(str::to_owned);
        tokio::task::spawn_blocking(move || call(&words.each_ref().map(String::as_str)))
    };
    write("==6");
    let output = run().await.expect("it ran");
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("✓ edits count==6"));
    let page = std::fs::read_to_string(&html).expect("a page");
    assert!(
        page.contains("<svg")
            && page.contains("&lt;b&gt;mine")
            && !page.contains("<b>mine")
            && !page.contains("<script")
    );
    write("<6");
    let output = run().await.expect("it ran");
    assert_eq!(output.status.code(), Some(99));
    let compared = call(&["compare", &json, &json]);
    assert!(
        text(&compared.stdout).contains("delivery_ms p50"),
        "{}",
        text(&compared.stdout)
    );
}
