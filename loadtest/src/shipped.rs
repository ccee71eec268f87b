//! The scenario files that come with the program.

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Name and text of each.
        pub const SHIPPED: &[(&str, &str)] = &[$(($name, include_str!(concat!("../scenarios/", $name, ".toml")))),+];
    };
}

shipped!(
    "fanout",
    "rooms",
    "idle",
    "join-storm",
    "presence-crowd",
    "slow-reader",
    "reconnect-storm",
    "soak",
    "mixed-studio",
    "replay",
);

/// A shipped file's text.
pub fn text(name: &str) -> Option<&'static str> {
    SHIPPED
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Plan;

    #[test]
    fn every_shipped_file_is_valid_says_what_it_shows_and_bears_its_name() {
        for (name, text) in SHIPPED {
            let plan = Plan::parse(text, name).unwrap_or_else(|error| panic!("{error:#}"));
            assert_eq!(plan.name, *name);
            assert!(plan.about.len() > 20, "{name}");
            assert!(!plan.thresholds.is_empty(), "{name}");
        }
    }
}
