//! Plans of bugs that were fixed: each is run again, for ever. A new one is a file in `sim/seeds/`, as `lavina sim shrink -o` writes it.
#![expect(clippy::disallowed_methods, reason = "a test of files reads files")]

use lavina_sim::{read_plan, run};

#[test]
fn fixed_bugs_stay_fixed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no plans", folder.display());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let plan = read_plan(&text, None).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let report = run(&plan);
        assert!(report.violations.is_empty(), "{}: {:?}", file.display(), report.violations);
    }
}
