//! The README says what the program does: its table of flags is the program's own.

use certbound::config;

#[test]
fn the_table_of_flags_is_the_programs_own() {
    let readme = include_str!("../README.md");
    let table = config::reference();
    for row in table.lines() {
        assert!(
            readme.contains(row),
            "the README lacks, or says otherwise:\n{row}\nWhole table:\n{table}"
        );
    }
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `--"))
        .count();
    let own = table
        .lines()
        .filter(|line| line.starts_with("| `--"))
        .count();
    assert_eq!(rows, own, "the README has rows that the program has not");
}
