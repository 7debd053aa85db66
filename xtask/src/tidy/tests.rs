//! Each rule finds what it is for, and nothing in sound text.

use super::files::Source;
use super::functions::{Function, collect};
use super::{check, files};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), bytes: text.len() as u64, text: text.to_owned() }
}

/// `file:line: what` of all findings in one file.
fn found(path: &str, text: &str) -> Vec<String> {
    check(&[source(path, text)]).iter().map(|it| format!("{}: {}", it.line, it.what)).collect()
}

fn functions(text: &str) -> Vec<Function> {
    let mut functions = Vec::new();
    collect(text.parse().expect("the sample is Rust"), &mut functions);
    functions
}

/// A function whose body has `lines` lines of code.
fn long(lines: usize) -> String {
    format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines))
}

#[test]
fn functions_have_at_most_seventy_lines_of_code() {
    assert_eq!(found("pure/a/src/lib.rs", &long(70)), Vec::<String>::new());
    assert_eq!(found("pure/a/src/lib.rs", &long(71)), ["1: function `long` has 71 lines, the most is 70"]);
    let commented = format!("fn f() {{\n{}}}\n", "    step(); // why\n    // because\n\n".repeat(70));
    assert_eq!(found("pure/a/src/lib.rs", &commented), Vec::<String>::new(), "comments and blank lines are free");
}

#[test]
fn functions_inside_macros_count_too() {
    let text = format!("proptest! {{\n    #[test]\n    {}}}\n", long(71));
    assert_eq!(found("pure/a/src/tests.rs", &text), ["3: function `long` has 71 lines, the most is 70"]);
}

#[test]
fn parameters_are_counted_past_generics_and_closures() {
    let text = "
        fn a<F: Fn(u8, u8) -> Map<u8, u8>>(&self, map: Map<K, V>, f: impl Fn(A, B) -> C, (x, y): (u8, u8),) {}
        trait T { fn b(one: [u8; 2], two: fn(u8, u8) -> u8) -> u8; }
        type Call = fn(u8, u8);
        fn c() where A: Into<B> { let text = \"fn d(e) { }\"; }
    ";
    let counted: Vec<_> = functions(text).into_iter().map(|it| (it.name, it.parameters, it.lines)).collect();
    let expected = [("a", 4, 0), ("b", 2, 0), ("c", 0, 1)].map(|(name, most, lines)| (name.to_owned(), most, lines));
    assert_eq!(counted, expected);
    let seven = "fn f(a: A, b: A, c: A, d: A, e: A, f: A, g: A) {}";
    assert_eq!(found("pure/a/src/lib.rs", seven), ["1: function `f` takes 7 parameters, the most is 6"]);
}

#[test]
fn files_are_short_and_tests_may_be_longer() {
    let lines = |count: usize| "//! One.\n".repeat(count);
    assert_eq!(found("io/a/src/lib.rs", &lines(600)), Vec::<String>::new());
    assert_eq!(found("io/a/src/lib.rs", &lines(601)), ["601: 601 lines, the most is 600"]);
    assert_eq!(found("io/a/src/tests.rs", &lines(1_000)), Vec::<String>::new());
    assert_eq!(found("tests/stories/src/exchange.rs", &lines(1_001)), ["1001: 1001 lines, the most is 1000"]);
    let generated = format!("// {}generated\n{}", '@', lines(2_000));
    assert_eq!(found("portal/src/api/client.ts", &generated), Vec::<String>::new());
    assert_eq!(found("docs/long.md", &lines(2_000)), Vec::<String>::new(), "prose is not code");
}

#[test]
fn lines_have_at_most_120_characters() {
    let line = |count: usize| format!("// {}\n", "字".repeat(count - 3));
    assert_eq!(found("io/a/src/lib.rs", &line(120)), Vec::<String>::new());
    assert_eq!(found("io/a/src/lib.rs", &line(121)), ["1: 121 columns, the most is 120"]);
    assert_eq!(
        found("io/a/src/lib.rs", &format!("// https://example.org/{}\n", "a".repeat(200))),
        Vec::<String>::new()
    );
    assert_eq!(found("docs/a.md", &line(300)), Vec::<String>::new());
}

#[test]
fn names_say_something() {
    for path in ["io/a/src/utils.rs", "io/common/src/lib.rs", "portal/src/helpers.ts", "io/a/src/manager/mod.rs"] {
        assert!(found(path, "//! One.\n")[0].contains("says nothing"), "{path}");
    }
    assert_eq!(found("io/a/src/uncommon.rs", "//! One.\n"), Vec::<String>::new());
}

#[test]
fn open_marks_name_an_issue() {
    let mark = concat!("TO", "DO");
    for good in ["(#12)", " #12", ": #3 later", "S are many", "_LIST"] {
        assert_eq!(found("io/a/src/lib.rs", &format!("// {mark}{good}\n")), Vec::<String>::new(), "{good}");
    }
    for bad in ["", ": later", "(me)", " (#12)x TO", "(#)"] {
        let text = format!("// {mark}{}\n", bad.replace("(#12)x TO", mark));
        assert_eq!(found("io/a/src/lib.rs", &text).len(), 1, "{bad}");
    }
}

#[test]
fn no_path_of_one_machine() {
    for bad in [concat!("/ro", "ot/x"), concat!("see `/wo", "rk/main`"), "\"/home/ann/data\"", "(/Users/ann)/"] {
        let bad = if bad.starts_with('(') { "(/Users/ann/)" } else { bad };
        assert_eq!(found("docs/a.md", bad).len(), 1, "{bad}");
    }
    for good in [
        "https://example.org/home/a",
        concat!("src/wo", "rk/b"),
        concat!("$HOME/wo", "rk/"),
        concat!("~/ro", "ot/"),
        "/workshop/",
    ] {
        assert_eq!(found("docs/a.md", good), Vec::<String>::new(), "{good}");
    }
}

#[test]
fn no_registry_and_no_foreign_lock() {
    assert_eq!(found("docs/a.md", "use registry.npmjs.org").len(), 1);
    let ours = "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n";
    assert_eq!(found("Cargo.lock", ours), Vec::<String>::new());
    assert_eq!(found("Cargo.lock", "source = \"git+https://example.org/x\"\n").len(), 1);
    assert_eq!(
        found("portal/package-lock.json", "\"resolved\": \"https://registry.npmjs.org/a\"\n"),
        Vec::<String>::new()
    );
    assert_eq!(found("portal/package-lock.json", "\"resolved\": \"https://example.org/a\"\n").len(), 1);
}

#[test]
fn no_large_file() {
    let mut large = source("packs/a/data/list.csv", "");
    large.bytes = (1 << 20) + 1;
    assert_eq!(check(&[large]).len(), 1);
}

#[test]
fn manifests_inherit() {
    let sound = "[package]\nname = \"a\"\n[dependencies]\n# ours\nserde.workspace = true\n[lints]\nworkspace = true\n";
    assert_eq!(found("io/a/Cargo.toml", sound), Vec::<String>::new());
    let bad = sound.replace("serde.workspace = true", "serde = { workspace = true, features = [\"rc\"] }");
    assert_eq!(found("io/a/Cargo.toml", &bad).len(), 1);
    assert_eq!(found("io/a/Cargo.toml", &sound.replace("[lints]\nworkspace = true", "[features]\nx = []")).len(), 2);
    assert_eq!(found("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"), Vec::<String>::new());
}

#[test]
fn the_vocabulary_stays_small() {
    let words: Vec<Source> =
        (0..3).map(|it| source(&format!("pure/vocabulary/src/w{it}.rs"), &"//! One.\n".repeat(501))).collect();
    assert_eq!(check(&words).len(), 1);
    assert_eq!(check(&words[..2]).len(), 0);
}

#[test]
fn links_lead_somewhere() {
    let linking = |text: &str| {
        let sources = [source("docs/a.md", text), source("docs/howto/b.md", ""), source("README.md", "")];
        check(&sources).iter().map(|it| it.what.clone()).collect::<Vec<_>>()
    };
    let sound = "[b](howto/b.md) [r](../README.md#x) [f](howto/) [w](https://example.org/c.md) [h](#here)";
    assert_eq!(linking(sound), Vec::<String>::new());
    assert_eq!(linking("[b](howto/b.md), [c](c.md)"), ["the link `c.md` leads nowhere"]);
    assert_eq!(linking("[up](../../etc)"), ["the link `../../etc` leads nowhere"]);
}

#[test]
fn without_git_the_folder_is_walked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir_all(folder.path().join("target")).expect("a folder");
    std::fs::write(folder.path().join("a.rs"), "//! One.\n").expect("a file");
    std::fs::write(folder.path().join("target/b.rs"), "//! Two.\n").expect("a file");
    let listed = files::list(folder.path()).expect("a listing");
    assert_eq!(listed.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["a.rs"]);
}

#[test]
fn the_inspection_table_cites_what_exists() {
    let cli = "    Audit(audit::Audit),\n    User(user::User),\n";
    let there = |table: &str| {
        let sources = [
            source("docs/operate/inspection.md", table),
            source("server/yunhe/src/cli.rs", cli),
            source("server/yunhe/src/commands/audit/mod.rs", "    Verify(verify::Verify),\n"),
            source("server/yunhe/src/commands/user.rs", "    ResetPassword {\n"),
            source("server/web/src/table.rs", "get(\n  \"/v1/audit\", \"acts\""),
            source("acts/identity/src/tests.rs", "fn a_name_is_locked() {}\nlet it = \"identity.locked\";"),
            source("xtask/src/main.rs", "name: \"tidy\""),
        ];
        let found = check(&sources);
        found.into_iter().filter(|it| it.file == "docs/operate/inspection.md").map(|it| it.what).collect::<Vec<_>>()
    };
    let sound = "`yunhe audit verify DIR` `yunhe user reset-password` `GET /v1/audit` `identity::a_name_is_locked` \
                 `identity.locked` `acts/identity/src/tests.rs` `acts/identity` `cargo xtask tidy`";
    assert_eq!(there(sound), Vec::<String>::new());
    for wrong in [
        "yunhe audits",
        "yunhe audit edit",
        "POST /v1/audit",
        "identity::a_name_is_lost",
        "nobody::a_name_is_locked",
        "identity.lost",
        "acts/identity/src/none.rs",
        "cargo xtask nothing",
        "word",
    ] {
        let told = there(&format!("| 8.1.4.1 | `{wrong}` |"));
        assert!(told.len() == 1 && told[0].contains(wrong), "{wrong}: {told:?}");
    }
}
