//! A plan as one server gets it: its dialect and its path, a shorter time where that is asked for.

use anyhow::{Context as _, bail};
use toml::{Table, Value};

/// A plan that was derived.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) text: String,
    /// What it shows, in a sentence.
    pub(crate) about: String,
    /// How many people it sends.
    pub(crate) users: usize,
    /// Every room that they go to.
    pub(crate) rooms: Vec<String>,
    /// When the first of those who do something come, in seconds.
    pub(crate) begins_s: f64,
}

/// What a server wants to hear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speech {
    pub(crate) dialect: &'static str,
    /// Path of a socket, where it is not the dialect's own.
    pub(crate) path: Option<&'static str>,
    /// How many edits of a replay may be on their way, where fewer than usual suit it better.
    pub(crate) ahead: Option<u32>,
}

/// What plans that ran before have left on the server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Earlier {
    /// How many plans.
    pub(crate) plans_count: u32,
    /// What is written in each room, in clocks.
    pub(crate) clocks_per_room: u64,
}

/// Derives a plan from a file of the suite. `longest_s` cuts scenarios that do not end by themselves.
pub(crate) fn derive(
    text: &str,
    speech: Speech,
    longest_s: Option<f64>,
    earlier: Earlier,
) -> anyhow::Result<Plan> {
    let mut plan: Table = text.parse().context("the plan is not TOML")?;
    if earlier.plans_count > 0 {
        // With the same seed its people would have the ids of those who wrote before.
        let seed = plan.get("seed").and_then(Value::as_integer).unwrap_or(1);
        plan.insert("seed".to_owned(), (seed + i64::from(earlier.plans_count)).into());
    }
    let ends_itself = plan.get("ends_caught_up").and_then(Value::as_bool) == Some(true);
    // What is aimed at is judged by the suite; a crossed threshold would end the load tester with an error.
    plan.remove("thresholds");
    if let Some(path) = speech.path {
        let target = plan.entry("target").or_insert_with(|| Table::new().into());
        let target = target.as_table_mut().context("[target] is no table")?;
        target.insert("path".to_owned(), path.into());
    }
    let scenarios = plan
        .get_mut("scenario")
        .and_then(Value::as_array_mut)
        .context("the plan has no [[scenario]]")?;
    let replays = scenarios.iter().any(is_replay);
    let (mut users, mut rooms, mut begins_s, mut ends_s) = (0, Vec::new(), f64::MAX, 0.0_f64);
    for scenario in scenarios {
        let scenario = scenario.as_table_mut().context("a scenario is no table")?;
        scenario.insert("dialect".to_owned(), speech.dialect.into());
        if let Some(ahead) = speech.ahead {
            let actions = scenario.get_mut("actions").and_then(Value::as_array_mut);
            for action in actions.into_iter().flatten().filter_map(Value::as_table_mut) {
                if action.contains_key("flat_out") {
                    action.insert("ahead".to_owned(), i64::from(ahead).into());
                }
            }
        }
        if earlier.clocks_per_room > 0 {
            let clocks = i64::try_from(earlier.clocks_per_room).context("too many clocks")?;
            scenario.insert("expect_clocks".to_owned(), clocks.into());
        }
        if let Some(longest_s) = longest_s.filter(|_| !ends_itself && !replays) {
            cut(scenario, longest_s)?;
        }
        let executor = scenario.get("executor").context("a scenario has no executor")?;
        let start_s = scenario.get("start_s").and_then(seconds).unwrap_or_default();
        let duration_s = executor.get("duration_s").and_then(seconds).unwrap_or_default();
        ends_s = ends_s.max(start_s + duration_s);
        let vus = executor.get("vus").and_then(Value::as_integer);
        let vus = vus.context("the suite knows executors with a fixed number of users only")?;
        users += usize::try_from(vus).context("vus is below zero")?;
        rooms.extend(rooms_of(scenario)?);
        if scenario.contains_key("actions") {
            begins_s = begins_s.min(start_s);
        }
    }
    // Of what is cut something has to be left behind the warm-up.
    if let Some(warmup_s) = plan.get("warmup_s").and_then(seconds)
        && longest_s.is_some()
    {
        plan.insert(
            "warmup_s".to_owned(),
            warmup_s.min((ends_s - 1.0).max(0.0)).into(),
        );
    }
    rooms.sort();
    rooms.dedup();
    let about = plan.get("about").and_then(Value::as_str);
    Ok(Plan {
        about: about.unwrap_or_default().to_owned(),
        text: plan.to_string(),
        users,
        rooms,
        begins_s: if begins_s == f64::MAX { 0.0 } else { begins_s },
    })
}

/// Whether somebody replays a trace flat out: then the run ends with the trace.
fn is_replay(scenario: &Value) -> bool {
    let actions = scenario.get("actions").and_then(Value::as_array);
    actions
        .into_iter()
        .flatten()
        .any(|action| action.get("flat_out").and_then(Value::as_bool) == Some(true))
}

/// Shortens a scenario, but never the time over which its people come.
fn cut(scenario: &mut Table, longest_s: f64) -> anyhow::Result<()> {
    let start_s = scenario.get("start_s").and_then(seconds);
    if let Some(start_s) = start_s {
        // What begins when others have ended still does.
        scenario.insert("start_s".to_owned(), start_s.min(longest_s + 1.0).into());
    }
    let executor = scenario.get_mut("executor").and_then(Value::as_table_mut);
    let executor = executor.context("a scenario has no executor")?;
    let join_over_s = executor.get("join_over_s").and_then(seconds).unwrap_or_default();
    let Some(duration_s) = executor.get("duration_s").and_then(seconds) else {
        bail!("the suite knows executors with a duration only");
    };
    let duration_s = duration_s.min(join_over_s + longest_s);
    executor.insert("duration_s".to_owned(), duration_s.into());
    Ok(())
}

/// TOML tells 5 and 5.0 apart; a plan does not.
fn seconds(value: &Value) -> Option<f64> {
    value
        .as_float()
        .or_else(|| value.as_integer().map(|whole| whole as f64))
}

fn rooms_of(scenario: &Table) -> anyhow::Result<Vec<String>> {
    let template = scenario.get("room").and_then(Value::as_str);
    let template = template.context("a scenario of the suite names its room")?;
    let count = scenario.get("rooms").and_then(Value::as_integer).unwrap_or(1);
    Ok((0..count)
        .map(|n| template.replace("{n}", &n.to_string()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = r#"
name = "x"
about = "Something."
[thresholds]
undelivered = ["count==0"]
[[scenario]]
name = "a"
executor = { kind = "constant-vus", vus = 3, duration_s = 20, join_over_s = 2 }
room = "r-{n}"
rooms = 2
[[scenario]]
name = "b"
start_s = 9
executor = { kind = "constant-vus", vus = 4, duration_s = 3.5 }
room = "r-0"
"#;
    const PEER: Speech = Speech {
        dialect: "hocuspocus",
        path: Some("/x/{room}"),
        ahead: Some(200),
    };

    #[test]
    fn a_plan_gets_dialect_and_path_and_loses_its_thresholds() {
        let plan = derive(PLAN, PEER, None, Earlier::default()).expect("a good plan");
        assert_eq!((plan.users, plan.about.as_str()), (7, "Something."));
        assert_eq!(plan.rooms, ["r-0", "r-1"]);
        let table: Table = plan.text.parse().expect("TOML");
        assert!(!table.contains_key("thresholds"));
        assert_eq!(table["target"]["path"].as_str(), Some("/x/{room}"));
        for scenario in table["scenario"].as_array().expect("scenarios") {
            assert_eq!(scenario["dialect"].as_str(), Some("hocuspocus"));
        }
        assert_eq!(table["scenario"][1]["start_s"].as_integer(), Some(9));
    }

    #[test]
    fn a_cut_plan_keeps_the_time_of_coming_and_the_order() {
        let plan = derive(PLAN, PEER, Some(5.0), Earlier::default()).expect("a good plan");
        let table: Table = plan.text.parse().expect("TOML");
        let duration = |n: usize| table["scenario"][n]["executor"]["duration_s"].as_float();
        assert_eq!((duration(0), duration(1)), (Some(7.0), Some(3.5)));
        assert_eq!(table["scenario"][1]["start_s"].as_float(), Some(6.0));
        let warm = derive(
            &format!("warmup_s = 15\n{PLAN}"),
            PEER,
            Some(5.0),
            Earlier::default(),
        );
        let warm: Table = warm.expect("a good plan").text.parse().expect("TOML");
        assert_eq!(
            warm["warmup_s"].as_float(),
            Some(8.5),
            "its last second is the tenth"
        );
    }

    #[test]
    fn what_the_suite_cannot_count_is_refused() {
        for bad in [
            "x",
            "name = \"x\"",
            "[[scenario]]\nroom = \"x\"\nexecutor = { kind = \"ramping-vus\" }",
        ] {
            assert!(derive(bad, PEER, Some(5.0), Earlier::default()).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_plan_of_the_suite_can_be_derived() {
        for path in crate::bench::suite::ROWS.iter().flat_map(|row| row.plans()) {
            let text = std::fs::read_to_string(crate::workspace::root().join(path)).expect(path);
            let plan = derive(&text, PEER, Some(5.0), Earlier::default()).expect(path);
            assert!(plan.users > 0 && !plan.rooms.is_empty() && !plan.about.is_empty());
        }
    }

    #[test]
    fn a_plan_that_goes_on_has_other_people_and_knows_what_is_there() {
        let earlier = Earlier {
            plans_count: 2,
            clocks_per_room: 300,
        };
        let plan = derive(PLAN, PEER, None, earlier).expect("a good plan");
        let table: Table = plan.text.parse().expect("TOML");
        assert_eq!(table["seed"].as_integer(), Some(3));
        assert_eq!(table["scenario"][1]["expect_clocks"].as_integer(), Some(300));
    }

    #[test]
    fn what_ends_by_itself_is_not_cut() {
        let replay = "[[scenario]]\nroom = \"x\"\nexecutor = { kind = \"constant-vus\", vus = 1, duration_s = 40 }\n\
                      actions = [{ kind = \"replay\", flat_out = true, trace = \"{trace}\" }]\n";
        for text in [replay.to_owned(), format!("ends_caught_up = true\n{PLAN}")] {
            let plan = derive(&text, PEER, Some(2.0), Earlier::default()).expect("a good plan");
            let table: Table = plan.text.parse().expect("TOML");
            let longest_s = table["scenario"][0]["executor"]["duration_s"].as_integer();
            assert!(longest_s.is_some_and(|s| s >= 20), "{longest_s:?}");
            let ahead = |table: &Table| table["scenario"][0].get("actions")?[0].get("ahead")?.as_integer();
            assert_eq!(ahead(&table), text.contains("flat_out").then_some(200));
        }
    }
}
