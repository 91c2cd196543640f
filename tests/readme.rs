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

/// The lines between the fences of the first block in that language.
fn block<'a>(text: &'a str, language: &str) -> &'a str {
    let fence = format!("```{language}\n");
    let start = text.find(&fence).expect("a block in that language") + fence.len();
    let end = text[start..].find("```").expect("the end of the block");
    &text[start..start + end]
}

#[test]
fn the_ten_lines_are_those_that_the_tests_run() {
    let readme = include_str!("../README.md");
    for (language, example) in [
        ("apache", include_str!("../examples/apache/README.md")),
        ("nginx", include_str!("../examples/nginx/README.md")),
    ] {
        assert_eq!(block(readme, language), block(example, language));
        assert!(
            block(readme, language).lines().count() <= 10,
            "{language}: ten lines were promised"
        );
    }
}
