//! From a plan that breaks an invariant to a small one that still breaks the same: fewer faults, then clients, rooms, nodes, time and
//! steps, by delta debugging (Zeller, Hildebrandt, 2002), over and over until nothing more can go.
//!
//! Pure: what runs a plan is given, so that it can be the simulator or anything else.

mod parts;
mod renumber;
#[cfg(test)]
mod tests;

use crate::plan::Plan;

/// How far a shrinking is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// Runs so far.
    pub runs: usize,
    /// What is being left out.
    pub part: &'static str,
    /// Faults left.
    pub faults: usize,
    /// Clients left.
    pub clients: usize,
    /// Rooms left.
    pub rooms: usize,
    /// Nodes left.
    pub nodes: usize,
    /// Steps of all clients left.
    pub steps: usize,
}

/// A part of a plan that can be left out piece by piece.
struct Part {
    name: &'static str,
    count: fn(&Plan) -> usize,
    /// The plan with only these pieces; `None` when that is no plan.
    keep: fn(&Plan, &[bool]) -> Option<Plan>,
}

const PARTS: &[Part] = &[
    Part { name: "faults", count: |plan| plan.faults.len(), keep: parts::keep_faults },
    Part { name: "clients", count: |plan| plan.clients.len(), keep: parts::keep_clients },
    Part { name: "rooms", count: |plan| plan.rooms.len(), keep: parts::keep_rooms },
    Part { name: "nodes", count: |plan| plan.nodes.len(), keep: parts::keep_nodes },
    Part { name: "steps", count: parts::steps, keep: parts::keep_steps },
];

/// Shrinks a plan. `breaks` runs a plan and says whether it breaks the same invariant; it is asked at most `runs_max` times.
/// `progress` is told after each step forward.
///
/// ```
/// use lavina_sim::{Sizes, generate, shrink};
/// let plan = generate(3, &Sizes::default());
/// let small = shrink(&plan, 500, |plan| plan.clients.len() >= 2, |_| {});
/// assert_eq!((small.clients.len(), small.faults.len(), small.nodes.len()), (2, 0, 1));
/// ```
pub fn shrink(
    plan: &Plan,
    runs_max: usize,
    breaks: impl FnMut(&Plan) -> bool,
    progress: impl FnMut(&Progress),
) -> Plan {
    let mut shrinking = Shrinking { best: plan.clone(), runs: 0, runs_max, breaks, progress };
    loop {
        let before = shrinking.best.clone();
        for part in PARTS {
            shrinking.leave_out(part);
        }
        for shorter in parts::SHORTER {
            shrinking.shorten(*shorter);
        }
        if shrinking.best == before || shrinking.runs >= runs_max {
            return shrinking.best;
        }
    }
}

struct Shrinking<B, P> {
    best: Plan,
    runs: usize,
    runs_max: usize,
    breaks: B,
    progress: P,
}

impl<B: FnMut(&Plan) -> bool, P: FnMut(&Progress)> Shrinking<B, P> {
    /// Takes a candidate when it still breaks.
    fn attempt(&mut self, part: &'static str, candidate: Option<Plan>) -> bool {
        let Some(candidate) = candidate.filter(|candidate| *candidate != self.best && candidate.check().is_ok()) else {
            return false;
        };
        if self.runs >= self.runs_max {
            return false;
        }
        self.runs += 1;
        if !(self.breaks)(&candidate) {
            return false;
        }
        self.best = candidate;
        (self.progress)(&Progress {
            runs: self.runs,
            part,
            faults: self.best.faults.len(),
            clients: self.best.clients.len(),
            rooms: self.best.rooms.len(),
            nodes: self.best.nodes.len(),
            steps: parts::steps(&self.best),
        });
        true
    }

    /// Leaves out pieces of a part: halves first, then ever smaller chunks, down to single pieces.
    fn leave_out(&mut self, part: &Part) {
        let mut chunk = (part.count)(&self.best);
        while chunk > 0 && self.runs < self.runs_max {
            let mut from = 0;
            while from < (part.count)(&self.best) {
                let count = (part.count)(&self.best);
                let kept: Vec<bool> = (0..count).map(|piece| piece < from || piece >= from + chunk).collect();
                // What goes leaves its place to the next.
                if !self.attempt(part.name, (part.keep)(&self.best, &kept)) {
                    from += chunk;
                }
            }
            chunk /= 2;
        }
    }

    fn shorten(&mut self, shorter: fn(&Plan) -> Option<Plan>) {
        while self.attempt("time", shorter(&self.best)) {}
    }
}
