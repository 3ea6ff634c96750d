//! Counters of the shell, and how they are written for Prometheus (text exposition format 0.0.4).

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that several threads change.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds.
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Adds a length.
    pub(crate) fn add_len(&self, more: usize) {
        self.add(u64::try_from(more).unwrap_or(u64::MAX));
    }

    /// Takes away; only for gauges.
    pub(crate) fn less(&self, fewer: u64) {
        self.0.fetch_sub(fewer, Ordering::Relaxed);
    }

    /// The number.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! metrics {
    ($($(#[doc = $help:literal])+ $name:ident: $kind:literal,)*) => {
        /// What the shell counts.
        #[derive(Debug, Default)]
        pub(crate) struct Metrics {
            $($(#[doc = $help])+ pub(crate) $name: Count,)*
        }

        impl Metrics {
            /// Name, kind, help and number of each.
            pub(crate) fn rows(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
                vec![$((stringify!($name), $kind, concat!($($help),+).trim_ascii(), self.$name.get())),*]
            }
        }
    };
}

metrics! {
    /// Client connections open.
    connections: "gauge",
    /// Client connections taken.
    connections_accepted: "counter",
    /// Client connections refused because their address had too many.
    connections_refused: "counter",
    /// Connections of proxies refused because they did not say whose they are.
    proxy_failures: "counter",
    /// Times that accepting paused because no descriptor was free.
    accept_pauses: "counter",
    /// TLS handshakes that failed.
    tls_failures: "counter",
    /// Clients ended because they read too slowly.
    slow_readers: "counter",
    /// Sessions gone on with over another connection.
    resumptions: "counter",
    /// Push messages that a push service has taken.
    pushes: "counter",
    /// Push messages that none has taken.
    pushes_failed: "counter",
    /// Push messages given up because too many waited.
    pushes_dropped: "counter",
    /// Bytes read from clients.
    bytes_in: "counter",
    /// Bytes written to clients.
    bytes_out: "counter",
    /// Write calls on client sockets.
    writes: "counter",
    /// Events and answers given to client sessions.
    deliveries: "counter",
    /// Inputs taken by the core.
    core_inputs: "counter",
    /// Rounds of the core.
    core_ticks: "counter",
    /// Times that the core held back input because the disk had not kept up.
    core_holds: "counter",
    /// Commits of the store.
    commits: "counter",
    /// Batches in those commits.
    commit_batches: "counter",
    /// Commits that failed.
    commit_failures: "counter",
    /// Tickets redeemed.
    tickets_redeemed: "counter",
}

/// Writes what a metric is; its values come right behind.
pub(crate) fn write_head(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "# HELP lavina_{name} {help}\n# TYPE lavina_{name} {kind}");
}

/// Writes one value of a metric that has several; labels hold nothing that would have to be escaped.
pub(crate) fn write_labelled(out: &mut String, name: &str, labels: &[(&str, &str)], value: u64) {
    let labels: Vec<String> = labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
    let _ = writeln!(out, "lavina_{name}{{{}}} {value}", labels.join(","));
}

/// Writes a metric with one value.
pub(crate) fn write_metric(out: &mut String, name: &str, kind: &str, help: &str, value: u64) {
    write_head(out, name, kind, help);
    let _ = writeln!(out, "lavina_{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_labels_lie_under_one_head() {
        let mut text = String::new();
        write_head(&mut text, "bytes", "counter", "Bytes.");
        write_labelled(&mut text, "bytes", &[("way", "sent"), ("kind", "push")], 7);
        let expected =
            "# HELP lavina_bytes Bytes.\n# TYPE lavina_bytes counter\nlavina_bytes{way=\"sent\",kind=\"push\"} 7\n";
        assert_eq!(text, expected);
    }
}
