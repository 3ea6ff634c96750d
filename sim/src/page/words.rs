//! The invariants in plain words, for somebody who has not read what they are called.

/// What an invariant promises.
pub(super) fn plain(invariant: &str) -> &'static str {
    match invariant {
        "L1" => "Nodes that hold the same entries must show the same state.",
        "L2" => "Once everything is healed, all nodes must soon hold and show the same.",
        "L3" => "What was acknowledged must be on every node in the end.",
        "L4" => "What one person says must stay in its order.",
        "L5" => "Nobody may miss a line, or be shown one twice.",
        "L6" => "History must read the same in pages of any size, on any node.",
        "L7" => "What was banned or removed must not come back by itself.",
        "L8" => "Rights must come from who was allowed to give them, and a room must keep its founder.",
        "L9" => "A name claimed twice must go to the same owner everywhere.",
        "L10" => "An entry must cross into each region once, not more often.",
        "L11" => "Every queue and table must stay below its bound.",
        "L12" => "On a live node, a line must be acknowledged at once, whatever is cut.",
        "L13" => "One number of one origin must never stand for two different entries.",
        "L14" => "Nobody may be shown what it has no right to see.",
        "L15" => "Wrong clocks must not do harm.",
        "L16" => "Entries seen again or not understood must change nothing and be kept.",
        "L17" => "A gap must be closed within two rounds of sync.",
        "L18" => "The same plan must always go the same way.",
        "expect" => "A bound that this plan itself sets was not met.",
        _ => "Something that must hold did not.",
    }
}
