//! What the session still owes its client: one [`Response`] for each line, in the order of the lines, and in each the lines of the answers
//! that have come. Knows nothing of what is asked or answered.
//!
//! A response that is next in turn is written as far as it is known; those behind it wait. With a label (IRCv3 `labeled-response`) a
//! response is written as one line with the label, as a batch, or as `ACK`.

use super::Then;
use super::message::Line;
use super::outbox::Outbox;
use crate::command::CommandId;
use crate::event::{Happened, Said};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// Lines whose response is not finished, at most: enough that a fast client need not wait for the disk between its messages, small
/// enough that one client's queue in the core stays short.
const RESPONSES_MAX: usize = 256;

/// Lines of a labelled response that wait for its end at most.
const LABELED_LINES_MAX: usize = 32;

/// What several answers to one line add up to.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Words (USERHOST, ISON).
    pub(super) words: Vec<String>,
    /// Messages (CHATHISTORY AROUND).
    pub(super) said: Vec<Arc<Said>>,
    /// What was done among them.
    pub(super) happened: Vec<Arc<Happened>>,
    /// Notes: of whom, key, value (METADATA SYNC).
    pub(super) notes: Vec<(String, String, Option<String>)>,
    /// Whose notes those are.
    pub(super) seen: BTreeSet<String>,
}

/// The response to one line.
#[derive(Debug, Default)]
struct Response {
    label: Option<String>,
    lines: Vec<Line>,
    /// Commands without an answer yet.
    waiting: usize,
    /// The batch that is open already, because more was to come when the first lines were written.
    batch: Option<String>,
    /// Whether later lines wait until this response is finished.
    holds: bool,
    gathered: Gathered,
}

struct Pending {
    id: CommandId,
    response: u64,
    then: Then,
}

/// All of them.
#[derive(Default)]
pub(super) struct Answers {
    /// The number of the first response in the queue.
    first: u64,
    responses: VecDeque<Response>,
    pending: VecDeque<Pending>,
    /// The response being written to.
    current: u64,
    next_command: u64,
    next_batch: u64,
}

impl std::fmt::Debug for Answers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answers").field("responses", &self.responses).field("pending", &self.pending.len()).finish()
    }
}

impl Answers {
    /// Begins the response to a line.
    pub(super) fn begin(&mut self, label: Option<String>) {
        self.current = self.first + u64::try_from(self.responses.len()).unwrap_or(u64::MAX);
        self.responses.push_back(Response { label, ..Response::default() });
    }

    fn current(&mut self) -> Option<&mut Response> {
        let index = usize::try_from(self.current.checked_sub(self.first)?).ok()?;
        self.responses.get_mut(index)
    }

    /// Takes the label of the response being written: it is to be on another one.
    pub(super) fn take_label(&mut self) -> Option<String> {
        self.current().and_then(|response| response.label.take())
    }

    /// Puts a label on the response being written.
    pub(super) fn put_label(&mut self, label: Option<String>) {
        if let (Some(response), Some(label)) = (self.current(), label) {
            response.label = Some(label);
        }
    }

    /// Adds a line to the response being written.
    pub(super) fn push(&mut self, line: Line) {
        if let Some(response) = self.current() {
            response.lines.push(line);
        }
    }

    /// What the answers of the response being written have added up to.
    pub(super) fn gathered(&mut self) -> Option<&mut Gathered> {
        self.current().map(|response| &mut response.gathered)
    }

    /// Notes a command asked for the response being written.
    pub(super) fn ask(&mut self, then: Then) -> CommandId {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        let is_last = self.current + 1 == self.first + u64::try_from(self.responses.len()).unwrap_or(u64::MAX);
        debug_assert!(is_last, "a line that asks again holds those behind it");
        if let Some(response) = self.current() {
            response.waiting += 1;
        }
        self.pending.push_back(Pending { id, response: self.current, then });
        id
    }

    /// An id for a command that is answered by nothing.
    pub(super) fn unanswered(&mut self) -> CommandId {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        id
    }

    /// Lets later lines wait until the response being written is finished: what they mean depends on it, or it takes several questions, and what they
    /// set off would wait behind the later ones while others' words are shown.
    pub(super) fn hold(&mut self) {
        if let Some(response) = self.current() {
            response.holds = true;
        }
    }

    /// Takes what is to be done with the answer to a command, and goes on with the response it belongs to. `None` for an answer to nothing.
    pub(super) fn answered(&mut self, id: CommandId) -> Option<Then> {
        if self.pending.front()?.id != id {
            return None;
        }
        let pending = self.pending.pop_front()?;
        self.current = pending.response;
        if let Some(response) = self.current() {
            response.waiting = response.waiting.saturating_sub(1);
        }
        Some(pending.then)
    }

    /// The lines of the labelled response whose answer comes next, where it is one: what its command sets off belongs to it.
    pub(super) fn labeled(&mut self) -> Option<&mut Vec<Line>> {
        let next = self.responses.front_mut()?;
        (next.label.is_some() && next.waiting > 0).then_some(&mut next.lines)
    }

    /// Whether nothing is owed.
    pub(super) fn is_empty(&self) -> bool {
        self.responses.is_empty()
    }

    /// Whether no further line is to be handled for the time being.
    pub(super) fn is_full(&self) -> bool {
        self.responses.len() >= RESPONSES_MAX || self.responses.back().is_some_and(|last| last.holds)
    }

    /// A name for a batch, unique within the session.
    pub(super) fn batch_name(&mut self) -> String {
        self.next_batch += 1;
        format!("b{}", self.next_batch)
    }

    /// Writes what can be written. What has a label waits for its end, so that one line is one line, unless it grows long.
    pub(super) fn settle(&mut self, out: &mut Outbox, node: &str) {
        while let Some(response) = self.responses.front() {
            let finished = response.waiting == 0;
            let waits = !finished && response.label.is_some() && response.batch.is_none();
            if waits && response.lines.len() < LABELED_LINES_MAX {
                return;
            }
            if response.label.is_some() && (!finished || response.batch.is_some() || response.lines.len() > 1) {
                self.settle_batch(out, node, finished);
            } else if let Some(response) = self.responses.front_mut() {
                match response.label.as_deref() {
                    Some(label) => {
                        let only = response.lines.pop().unwrap_or_else(|| Line::new(node, "ACK", &[]));
                        out.line(&only, Some(("label", label)));
                    }
                    None => response.lines.drain(..).for_each(|line| out.line(&line, None)),
                }
            }
            if !finished {
                return;
            }
            self.responses.pop_front();
            self.first += 1;
        }
    }

    /// Writes the first response's lines, of which there are or may be several, with its label.
    fn settle_batch(&mut self, out: &mut Outbox, node: &str, finished: bool) {
        let fresh = self.next_batch + 1;
        let Some(response) = self.responses.front_mut() else { return };
        if response.lines.is_empty() && response.batch.is_none() {
            return;
        }
        let lines = std::mem::take(&mut response.lines);
        let label = response.label.as_deref().unwrap_or_default();
        if response.batch.is_none() && finished && is_one_batch(&lines) {
            for (index, line) in lines.iter().enumerate() {
                out.line(line, (index == 0).then_some(("label", label)));
            }
            return;
        }
        let batch = response.batch.get_or_insert_with(|| {
            let name = format!("b{fresh}");
            let start = Line::new(node, "BATCH", &[&format!("+{name}"), "labeled-response"]);
            out.line(&start, Some(("label", label)));
            name
        });
        self.next_batch = self.next_batch.max(fresh);
        for line in &lines {
            out.line(line, (!line.in_batch()).then_some(("batch", batch)));
        }
        if finished {
            out.line(&Line::new(node, "BATCH", &[&format!("-{batch}")]), None);
        }
    }
}

/// Whether the lines are one batch of their own: its start can carry the label.
fn is_one_batch(lines: &[Line]) -> bool {
    let start = lines.first().and_then(Line::batch_start);
    start.is_some() && start == lines.last().and_then(Line::batch_end)
}
