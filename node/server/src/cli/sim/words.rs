//! A report for people.

use lavina_sim::{Plan, Report};
use std::process::ExitCode;

/// The exit code that says whether everything held.
pub(super) fn verdict(report: &Report) -> ExitCode {
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How a run went; of a failure everything that helps to understand it.
pub(super) fn report(plan: &Plan, report: &Report, again: &str) -> String {
    if report.violations.is_empty() {
        return summary(report);
    }
    let events = report.last_events.join("\n");
    let plan = plan.to_toml();
    format!(
        "-- the plan\n{plan}\n-- the last events (seconds, what)\n{events}\n-- what broke\n{}\n{}",
        summary(report),
        repeat(again)
    )
}

/// The commands that go on from a failure.
pub(super) fn repeat(again: &str) -> String {
    let shown = again.replacen("sim run", "sim show", 1).replacen("sim replay", "sim show", 1);
    format!("repeat: {again}\ndraw:   {shown} -o run.html")
}

/// How a run went, in short.
pub(super) fn summary(report: &Report) -> String {
    let seconds = |ms: u64| std::time::Duration::from_millis(ms).as_secs_f64();
    let mut lines = vec![format!(
        "seed {}: {} events in {:.1} simulated seconds, {} lines acknowledged, hash {}",
        report.seed,
        report.events,
        seconds(report.simulated_ms),
        report.acknowledged,
        report.hash
    )];
    if let Some(ms) = report.converged_ms {
        lines.push(format!("equal everywhere {ms} ms after the last fault was healed"));
    }
    let happened: Vec<String> = report.happened.iter().map(|(what, count)| format!("{what} {count}")).collect();
    lines.push(format!("happened: {}", happened.join(", ")));
    let broken = report.violations.iter();
    lines.extend(broken.map(|violation| {
        let at = seconds(report.simulated_ms);
        format!("BROKEN {} (seed {}, seen at {at:.3} s): {}", violation.invariant, report.seed, violation.what)
    }));
    lines.join("\n")
}
