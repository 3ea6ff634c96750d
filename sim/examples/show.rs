//! The library without the command line: draw a run.
//!
//! ```sh
//! cargo run --release -p lavina-sim --example show -- scenarios/three-regions.toml > run.html
//! ```
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
#![expect(clippy::disallowed_methods, reason = "an example may read the file that it is given")]

use lavina_sim::{Sizes, generate, page, read_plan, run_recorded};

fn main() {
    let what = std::env::args().nth(1).unwrap_or_else(|| "1".to_owned());
    let plan = match (what.parse(), std::fs::read_to_string(&what)) {
        (Ok(seed), _) => Ok(generate(seed, &Sizes::default())),
        (Err(_), Ok(text)) => read_plan(&text, None).map_err(|error| format!("{what}: {error}")),
        (Err(_), Err(error)) => Err(format!("{what}: {error}")),
    };
    match plan {
        Ok(plan) => {
            let (report, record) = run_recorded(&plan);
            println!("{}", page(&plan, &report, &record, &format!("lavina sim run {what}")));
        }
        Err(what) => println!("{what}"),
    }
}
