//! A server that loses, delays or lies is found, and the summary says in words what it did.

use roomtone_loadtest::report::{Progress, Summary};
use roomtone_loadtest::run::{Watched, run};
use roomtone_loadtest::scenario::Plan;

use crate::double::{Cheat, LATE, start};

/// A few people who write and some who read, in one room.
async fn judge(cheat: Cheat, dialect: &str, per_s: u32, verify_acks: u32) -> Summary {
    let url = start(cheat).await;
    let text = format!(
        "name = \"honesty\"\nsample_docs = 3\ndrain_s = 2\nverify_acks = {verify_acks}\n\
         target = {{ url = \"{url}\" }}\nthresholds = {{ undelivered = [\"count==0\"] }}\n\
         [[scenario]]\nname = \"writers\"\nroom = \"honest\"\ndialect = \"{dialect}\"\n\
         executor = {{ kind = \"constant-vus\", vus = 5, duration_s = 3 }}\n\
         actions = [{{ kind = \"typing\", per_s = {per_s} }}, {{ kind = \"drag\", per_s = 1 }}]\n\
         [[scenario]]\nname = \"readers\"\nroom = \"honest\"\ndialect = \"{dialect}\"\n\
         executor = {{ kind = \"constant-vus\", vus = 10, duration_s = 3 }}\n"
    );
    let plan = Plan::parse(&text, "honesty").expect("a plan");
    run(&plan, &Watched::default(), &mut Progress::new(true))
        .await
        .expect("it runs")
}

fn warns(summary: &Summary, of: &str) -> bool {
    summary.warnings.iter().any(|warning| warning.contains(of))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fair_server_is_not_blamed() {
    for dialect in ["y-websocket", "hocuspocus", "native"] {
        let summary = judge(Cheat::Nothing, dialect, 20, 1).await;
        assert!(summary.counters["edits"] > 100, "{summary:?}");
        // Every edit at everybody else who was there from the beginning.
        assert!(
            summary.counters["deliveries"] > summary.counters["edits"] * 13,
            "{summary:?}"
        );
        for nothing in ["undelivered", "diverged", "early_acks", "gaps"] {
            assert_eq!(summary.counters[nothing], 0, "{dialect} {nothing}: {summary:?}");
        }
        assert!(
            summary.is_well() && summary.errors.is_empty(),
            "{:?}",
            summary.errors
        );
        assert_eq!(summary.trends["ack_ms"].count > 0, dialect != "y-websocket");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_warm_up_is_left_out_of_trends_and_counted_all_the_same() {
    let url = start(Cheat::Nothing).await;
    let text = format!(
        "name = \"warm\"\nwarmup_s = 1.5\ntarget = {{ url = \"{url}\" }}\n\
         [thresholds]\nserver_cpu_us_per_delivery = [\"value>0\", \"value<0.001\"]\nserver_rss_mb_growth = [\"value>=0\"]\n\
         [[scenario]]\nname = \"all\"\nroom = \"honest\"\n\
         executor = {{ kind = \"constant-vus\", vus = 3, duration_s = 3 }}\n\
         actions = [{{ kind = \"typing\", per_s = 20, cursor = true }}]\n"
    );
    let plan = Plan::parse(&text, "warm").expect("a plan");
    let watched = Watched {
        pid: i32::try_from(std::process::id()).ok(),
        spawn: None,
    };
    let summary = run(&plan, &watched, &mut Progress::new(true))
        .await
        .expect("it runs");
    let (trend, whole) = (summary.trends["delivery_ms"], summary.counters["deliveries"]);
    assert!(
        trend.count > 0 && trend.count < whole * 3 / 4,
        "{} of {whole}",
        trend.count
    );
    assert_eq!(summary.trends["connect_ms"].count, 0);
    let holds: Vec<bool> = summary.verdicts.iter().map(|verdict| verdict.holds).collect();
    assert_eq!(holds, [true, false, true], "{:?}", summary.verdicts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_frame_lost_of_a_thousand_is_found() {
    let summary = judge(Cheat::Drops, "y-websocket", 60, 0).await;
    assert!(
        summary.counters["undelivered"] > 0 && summary.counters["gaps"] > 0,
        "{summary:?}"
    );
    assert!(!summary.is_well());
    assert!(
        warns(&summary, "never reached a reader") && warns(&summary, "a frame was lost"),
        "{:?}",
        summary.warnings
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_frame_late_of_a_hundred_is_found() {
    let summary = judge(Cheat::Delays, "y-websocket", 10, 0).await;
    let delivery = summary.trends["delivery_ms"];
    let late_ms = LATE.as_secs_f64() * 1_000.0;
    assert!(
        delivery.p99 >= late_ms / 2.0 && delivery.p50 < late_ms / 2.0,
        "{delivery:?}"
    );
    assert_eq!(summary.counters["undelivered"], 0);
    assert!(warns(&summary, "overtaken"), "{:?}", summary.warnings);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_of_saved_before_its_time_is_found() {
    let summary = judge(Cheat::AcksEarly, "hocuspocus", 5, 1).await;
    assert!(summary.counters["early_acks"] > 0, "{summary:?}");
    assert!(warns(&summary, "were called saved"), "{:?}", summary.warnings);
}

/// A plan for one room: somebody writes `edits` edits of six characters, `readers` join a second later.
fn room(url: &str, head: &str, edits: u32, readers: &str) -> Plan {
    let text = format!(
        "name = \"room\"\ndrain_s = 2\n{head}\ntarget = {{ url = \"{url}\" }}\n\
         [[scenario]]\nname = \"author\"\nroom = \"honest\"\n\
         executor = {{ kind = \"per-vu-iterations\", vus = 1, iterations = {edits}, duration_s = 8 }}\n\
         actions = [{{ kind = \"typing\", per_s = 100 }}]\n\
         [[scenario]]\nname = \"readers\"\nroom = \"honest\"\nstart_s = 1\n\
         executor = {{ kind = \"constant-vus\", vus = 5, duration_s = 7 }}\n{readers}\n"
    );
    Plan::parse(&text, "room").expect("a plan")
}

async fn ran(plan: &Plan) -> Summary {
    run(plan, &Watched::default(), &mut Progress::new(true))
        .await
        .expect("it runs")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_ends_when_all_have_caught_up_and_says_how_much_was_written() {
    let url = start(Cheat::Nothing).await;
    let first = ran(&room(&url, "ends_caught_up = true", 20, "")).await;
    assert_eq!(first.trends["caught_up_ms"].count, 6, "{first:?}");
    assert!(first.ran_s < 7.0 && first.errors.is_empty(), "{first:?}");
    assert_eq!(first.counters["clocks"], 120);
    // The next run on the same document: who knows what was written finds it there, under other ids.
    let expected = "expect_clocks = 120";
    let head = "ends_caught_up = true\nseed = 2";
    let second = ran(&room(&url, head, 1, expected)).await;
    assert_eq!(second.trends["caught_up_ms"].count, 6, "{second:?}");
    assert!(second.errors.is_empty(), "{:?}", second.errors);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_not_there_is_not_caught_up_with_whatever_the_server_calls_synced() {
    let url = start(Cheat::Nothing).await;
    let summary = ran(&room(&url, "ends_caught_up = true", 1, "expect_clocks = 1000")).await;
    assert_eq!(summary.trends["sync_ms"].count, 6);
    assert_eq!(summary.trends["caught_up_ms"].count, 1, "{summary:?}");
    assert!(
        summary.errors.keys().any(|kind| kind.contains("the time was up")),
        "{:?}",
        summary.errors
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_measured_counts_and_is_in_no_trend() {
    let url = start(Cheat::Nothing).await;
    let text = "measured = false\nactions = [{ kind = \"typing\", per_s = 20 }]";
    let summary = ran(&room(&url, "", 1, text)).await;
    // The one reader who is measured is the author; all the others read each other's edits as well.
    let (trend, whole) = (
        summary.trends["delivery_ms"].count,
        summary.counters["deliveries"],
    );
    assert!(trend > 0 && trend * 3 < whole, "{trend} of {whole}");
    assert_eq!(summary.trends["connect_ms"].count, 1);
    assert_eq!(summary.counters["undelivered"], 0);
}
