//! The simulator about itself: plans are data, and refuse what no plan is.

use crate::{Plan, PlanError, Sizes, generate};

#[test]
fn a_plan_survives_being_written_down() {
    for seed in 0..50 {
        let plan = generate(seed, &Sizes::default());
        assert_eq!(Plan::from_toml(&plan.to_toml()).unwrap(), plan);
    }
}

#[test]
fn a_seed_always_gives_the_same_plan() {
    assert_eq!(generate(7, &Sizes::default()), generate(7, &Sizes::default()));
    assert_ne!(generate(7, &Sizes::default()), generate(8, &Sizes::default()));
}

#[test]
fn an_unknown_key_is_refused_with_its_place() {
    let text = generate(1, &Sizes::default()).to_toml().replacen("heal_at_ms", "heel_at_ms", 1);
    let Err(PlanError::Syntax(message)) = Plan::from_toml(&text) else { panic!("it was taken") };
    assert!(message.contains("line 4") && message.contains("heel_at_ms"), "{message}");
}

#[test]
fn a_fault_of_a_node_that_is_not_there_is_refused() {
    let mut plan = generate(1, &Sizes::default());
    plan.faults.push(crate::Fault { at_ms: 1, kind: crate::FaultKind::Node(crate::NodeFault::Crash(9)) });
    let message = Plan::from_toml(&plan.to_toml()).unwrap_err().to_string();
    assert_eq!(message, "node 9 is named by fault crash, but there are only 5");
}

#[test]
fn what_must_happen_names_every_kind_that_plans_have() {
    for seed in 0..50 {
        let plan = generate(seed, &Sizes::default());
        let faults = plan.faults.iter().map(|fault| fault.kind.name());
        let actions = plan.clients.iter().flat_map(|client| &client.script).map(|step| step.action.name());
        for name in faults.chain(actions) {
            assert!(crate::happenings(plan.level, plan.replicas.is_some()).contains(&name), "{name}");
        }
    }
}

#[test]
fn nobody_acts_after_the_healing() {
    for seed in 0..50 {
        let plan = generate(seed, &Sizes::default());
        assert!(plan.clients.iter().flat_map(|client| &client.script).all(|step| step.at_ms < plan.heal_at_ms));
    }
}
