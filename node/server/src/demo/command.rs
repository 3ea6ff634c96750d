//! What can be typed into the demo.

use std::time::Duration;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Cuts the ways between two regions, or around one.
    Cut(Vec<String>),
    /// Opens all ways and gives them their usual length.
    Heal,
    /// Makes the way from one region to another longer.
    Lag(String, String, Duration),
    /// Ends a node as a power failure would.
    Kill(String),
    /// Starts it again.
    Start(String),
    /// Says something in the demo's room through a node.
    Say(String, String),
    /// Waits.
    Wait(Duration),
    /// Waits until all nodes hold the same.
    Settle,
    /// Shows what each node sees.
    Status,
    /// Shows the commands.
    Help,
    /// Ends.
    Quit,
}

/// The commands, for who asks.
pub(crate) const HELP: &str = "\
cut eu us         no packet passes between two regions (through ap they still hear of each other)
cut us            no packet passes between us and all others
heal              all ways open, with their usual length
lag us eu 400ms   packets between the two take this long, each way
kill us-1         the node ends as in a power failure
start us-1        it starts again from its disk
say us-1 hello    says it in #lobby through that node
status            what each node sees
wait 5s           waits; settle waits until all nodes hold the same
quit              ends";

impl Command {
    /// Reads a line; `None` for an empty one.
    ///
    /// # Errors
    /// What would be right, as text for who typed it.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>, String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let own = |word: &&str| (*word).to_owned();
        Ok(Some(match words.as_slice() {
            [] => return Ok(None),
            ["cut", regions @ ..] if (1..=2).contains(&regions.len()) => Self::Cut(regions.iter().map(own).collect()),
            ["heal"] => Self::Heal,
            ["lag", from, to, delay] => Self::Lag(own(from), own(to), crate::cli::parse_duration(delay)?),
            ["kill", name] => Self::Kill(own(name)),
            ["start", name] => Self::Start(own(name)),
            ["say", name, text @ ..] if !text.is_empty() => Self::Say(own(name), text.join(" ")),
            ["wait", time] => Self::Wait(crate::cli::parse_duration(time)?),
            ["settle"] => Self::Settle,
            ["status"] => Self::Status,
            ["help" | "?"] => Self::Help,
            ["quit" | "exit"] => Self::Quit,
            _ => return Err(format!("`{}` is not understood; try `help`", line.trim())),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let parse = |line| Command::parse(line);
        assert_eq!(parse("  "), Ok(None));
        assert_eq!(parse("cut eu us"), Ok(Some(Command::Cut(vec!["eu".to_owned(), "us".to_owned()]))));
        let lag = Command::Lag("us".to_owned(), "eu".to_owned(), Duration::from_millis(400));
        assert_eq!(parse("lag us eu 400ms"), Ok(Some(lag)));
        assert_eq!(parse("say us-1 a  b"), Ok(Some(Command::Say("us-1".to_owned(), "a b".to_owned()))));
        for wrong in ["cut", "cut a b c", "lag us eu", "lag us eu 4", "kill", "dance"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
