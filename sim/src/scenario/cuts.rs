//! Cuts that overlap: a plan only knows to heal all links at once, so where one cut ends the others are made again.

use crate::plan::{Fault, FaultKind, NetFault};
use std::collections::BTreeSet;

/// Ways that carry nothing for a time.
#[derive(Debug)]
pub(super) struct Cut {
    pub(super) at_ms: u64,
    pub(super) until_ms: u64,
    pub(super) ways: Vec<(usize, usize)>,
}

/// The faults that make and end these cuts.
pub(super) fn faults(cuts: &[Cut]) -> Vec<Fault> {
    let times: BTreeSet<u64> = cuts.iter().flat_map(|cut| [cut.at_ms, cut.until_ms]).collect();
    let mut faults = Vec::new();
    let mut before = BTreeSet::new();
    for at_ms in times {
        let held = cuts.iter().filter(|cut| cut.at_ms <= at_ms && at_ms < cut.until_ms);
        let ways: BTreeSet<(usize, usize)> = held.flat_map(|cut| cut.ways.iter().copied()).collect();
        let healed = before.difference(&ways).next().is_some();
        if healed {
            faults.push(Fault { at_ms, kind: FaultKind::Net(NetFault::HealLinks) });
            before.clear();
        }
        for (from, to) in ways.difference(&before) {
            faults.push(Fault { at_ms, kind: FaultKind::Net(NetFault::CutOneWay(*from, *to)) });
        }
        before = ways;
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_that_ends_leaves_another_in_place() {
        let cut = |at_ms, until_ms, way| Cut { at_ms, until_ms, ways: vec![way] };
        let told: Vec<String> = faults(&[cut(1, 3, (0, 1)), cut(2, 4, (1, 2))])
            .into_iter()
            .map(|fault| format!("{} {:?}", fault.at_ms, fault.kind))
            .collect();
        let expected = [
            "1 Net(CutOneWay(0, 1))",
            "2 Net(CutOneWay(1, 2))",
            "3 Net(HealLinks)",
            "3 Net(CutOneWay(1, 2))",
            "4 Net(HealLinks)",
        ];
        assert_eq!(told, expected);
    }
}
