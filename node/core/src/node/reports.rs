//! Reports of abuse: what an account says of somebody whom it blocks, for the operators of the mesh. Those who are there are told on every node; what was
//! reported is kept in the reporter's account for a while, so that an operator who comes later is told too.

use super::commands::Asker;
use super::{Node, SessionNumber};
use crate::signal::Signal;
use crate::store::Store;
use lavina_crdt::clock::Now;
use lavina_crdt::content::Author;
use lavina_crdt::ids::OrderKey;
use lavina_crdt::modes::UserMode;
use lavina_protocols::command::Refusal;
use lavina_protocols::event::Event;
use lavina_protocols::operator::OperatorReply;

/// Before the keys of the registers that hold reports.
const REPORTS: &str = "report/";
/// Reports kept of one account; the oldest makes room.
const KEPT_MAX: usize = 32;
/// How long an operator who comes is told of a report: a week away is a holiday.
const TOLD_MS_MAX: u64 = 7 * 24 * 3_600_000;
/// Reports that an operator who comes is told, the newest.
const TOLD_MAX: usize = 20;
/// Longest report, bytes: a line of IRC beside what is around it.
const REPORT_BYTES_MAX: usize = 380;

impl<S: Store> Node<S> {
    pub(super) fn report(
        &mut self,
        now: Now,
        asker: &Asker,
        whom: &str,
        about: &str,
    ) -> Result<OperatorReply, Refusal> {
        let account = asker.record.account.clone().ok_or(Refusal::NeedsAccount)?;
        let words = words(&format!("{whom}: {about}"));
        let by = self.author(asker.session, &asker.record, &asker.record.nick);
        let kept: Vec<(String, Option<OrderKey>)> = self.replicas.account(&account).map_or_else(Vec::new, |view| {
            let set = view.registers().iter(REPORTS);
            set.map(|(key, _)| (key.to_owned(), view.registers().written(key))).collect()
        });
        let key = if kept.len() < KEPT_MAX {
            format!("{REPORTS}{}", kept.len())
        } else {
            kept.into_iter().min_by_key(|(_, at)| *at).map(|(key, _)| key).unwrap_or_default()
        };
        self.set_register(now, account, by.clone(), key, words.clone().into_bytes())?;
        let signal = Signal::Reported { by: by.clone(), words: words.clone() };
        for to in self.one_session_of_each_other_node() {
            self.signal(now, to, &signal);
        }
        self.on_reported(&by, &words);
        self.count("reports");
        Ok(OperatorReply::Done)
    }

    /// Somebody reports somebody: operators here are told.
    pub(super) fn on_reported(&mut self, by: &Author, words: &str) {
        let operators = self.people.of_node(self.me()).filter(|(_, record)| record.modes.has(UserMode::Operator));
        let to: Vec<SessionNumber> = operators.filter_map(|(session, _)| self.sessions.number(session)).collect();
        if let Some(account) = by.account.as_ref().filter(|_| !to.is_empty()) {
            self.sessions.deliver(to, Event::Notice(format!("{account} reports {words}")), &mut self.out);
        }
    }

    /// An operator has come, and is told what was reported lately.
    pub(super) fn tell_reports(&mut self, now: Now, number: SessionNumber) {
        let oldest_ms = now.wall_ms.saturating_sub(TOLD_MS_MAX);
        let mut reports = Vec::new();
        for (account, view) in self.replicas.accounts() {
            for (key, value) in view.registers().iter(REPORTS) {
                let at = view.registers().written(key).filter(|at| at.hlc.ms() >= oldest_ms);
                if let (Some(at), Ok(said)) = (at, std::str::from_utf8(value)) {
                    reports.push((at, format!("{account} has reported {}", words(said))));
                }
            }
        }
        reports.sort();
        for (_, report) in reports.split_off(reports.len().saturating_sub(TOLD_MAX)) {
            self.sessions.deliver(vec![number], Event::Notice(report), &mut self.out);
        }
    }
}

/// A report in one line.
fn words(text: &str) -> String {
    let mut words: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    while words.len() > REPORT_BYTES_MAX {
        words.pop();
    }
    words
}
