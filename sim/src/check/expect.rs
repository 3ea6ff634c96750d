//! What the plan's author expects: each bound against what was measured.

use super::Violation;
use crate::measure::Measures;
use crate::plan::Expect;

/// Every bound that is not met, measured against expected.
pub(crate) fn check(expect: &Expect, measured: &Measures) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let mut at_most = |what: &str, bound: Option<u64>, found: Option<u64>, show: fn(u64) -> String| {
        let Some(bound) = bound else { return };
        if found.is_none_or(|found| found > bound) {
            let found = found.map_or_else(|| "not at all".to_owned(), show);
            wrong.push(format!("{what}: {found}, expected at most {}", show(bound)));
        }
    };
    at_most("equal after healing", expect.converge_within_ms, measured.converged_ms, ms);
    at_most("lines shown twice", expect.duplicates, Some(measured.duplicates), plain);
    at_most("acknowledged lines not shown to somebody in the room", expect.lost, Some(measured.lost), plain);
    let disorder = expect.order.filter(|order| *order).map(|_| 0);
    at_most("lines shown out of their sender's order", disorder, Some(measured.disordered), plain);
    at_most(
        "copies of an entry per remote region",
        expect.copies_per_region_milli,
        Some(measured.copies_per_region_milli),
        milli,
    );
    at_most("99 of 100 acknowledgements within", expect.acknowledge_p99_us, Some(measured.acknowledge.p99_us), us);
    at_most(
        "99 of 100 lines at other regions within",
        expect.deliver_far_p99_us,
        Some(measured.deliver_far.p99_us),
        us,
    );
    let mut at_least = |what: &str, bound: Option<u64>, found: u64| {
        if let Some(bound) = bound.filter(|bound| found < *bound) {
            wrong.push(format!("{what}: {}, expected at least {}", percent(found), percent(bound)));
        }
    };
    at_least("lines acknowledged in time by live nodes", expect.availability_ppm, measured.availability_ppm);
    at_least("lines acknowledged of all that clients wanted to say", expect.served_ppm, measured.served_ppm);
    wrong.into_iter().map(|what| Violation { invariant: "expect", what }).collect()
}

fn plain(count: u64) -> String {
    count.to_string()
}

fn ms(ms: u64) -> String {
    format!("{ms} ms")
}

fn us(us: u64) -> String {
    format!("{}.{} ms", us / 1_000, us % 1_000 / 100)
}

fn milli(milli: u64) -> String {
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

fn percent(ppm: u64) -> String {
    format!("{}.{:04}%", ppm / 10_000, ppm % 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Latency;

    #[test]
    fn every_bound_is_told_with_what_was_measured() {
        let expect = Expect {
            converge_within_ms: Some(1_000),
            availability_ppm: Some(1_000_000),
            served_ppm: Some(900_000),
            duplicates: Some(0),
            lost: Some(0),
            order: Some(true),
            copies_per_region_milli: Some(1_200),
            acknowledge_p99_us: Some(5_000),
            deliver_far_p99_us: Some(90_000),
        };
        let slow = Latency { count: 9, p50_us: 1, p99_us: 100_000 };
        let bad = Measures {
            duplicates: 1,
            lost: 2,
            disordered: 3,
            copies_per_region_milli: 1_201,
            acknowledge: slow,
            deliver_far: slow,
            availability_ppm: 999_999,
            served_ppm: 1,
            ..Measures::default()
        };
        assert_eq!(check(&expect, &bad).len(), 9);
        assert_eq!(check(&expect, &bad)[0].what, "equal after healing: not at all, expected at most 1000 ms");
        let good = Measures {
            converged_ms: Some(1_000),
            availability_ppm: 1_000_000,
            served_ppm: 900_000,
            ..Measures::default()
        };
        assert_eq!(check(&expect, &good), Vec::new());
        assert_eq!(check(&Expect::default(), &bad), Vec::new());
    }
}
