//! What a step of GitHub Actions hands to the next ones.

use crate::common::Vendor;

fn step(vendor: &mut Vendor) {
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        let file = vendor.path(name);
        vendor.write(name, b"");
        vendor.variable(name, file.to_str().unwrap());
    }
}

/// An output, as the runner reads it.
fn output(vendor: &Vendor, name: &str) -> String {
    let text = String::from_utf8(vendor.read("GITHUB_OUTPUT")).unwrap();
    let (_, rest) = text.split_once(&format!("{name}<<")).unwrap();
    let (end, rest) = rest.split_once('\n').unwrap();
    rest.split_once(&format!("\n{end}\n")).unwrap().0.to_owned()
}

#[test]
fn a_step_says_what_it_did() {
    let mut vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    step(&mut vendor);
    let words = ["--github-output", "add", &image];
    vendor.run(&words).ends(0).prints("published");
    for (name, value) in [
        ("changed", "true"),
        ("published", "true"),
        ("version", "1.0"),
        ("images", "hello_1.0_noarch.raw"),
    ] {
        assert_eq!(output(&vendor, name), value, "{name}");
    }
    let summary = String::from_utf8(vendor.read("GITHUB_STEP_SUMMARY")).unwrap();
    assert!(summary.contains("### sysext-publish: add"), "{summary}");
    step(&mut vendor);
    let again = vendor.run(&["--json", "add", &image, "--github-output"]);
    assert_eq!(again.ends(0).json()["changed"], false);
    assert_eq!(output(&vendor, "changed"), "false");
    assert_eq!(output(&vendor, "version"), "");
    // Nothing is said where nobody asked.
    step(&mut vendor);
    vendor.run(&["add", &image]).ends(0);
    assert!(vendor.read("GITHUB_OUTPUT").is_empty());
}

#[test]
fn a_step_that_fails_says_why_and_one_that_warns_says_of_what() {
    let mut vendor = Vendor::with_catalog();
    step(&mut vendor);
    let words = ["--github-output", "add", "missing.raw"];
    vendor.run(&words).ends(1);
    assert_eq!(output(&vendor, "changed"), "false");
    assert!(output(&vendor, "summary").contains("missing.raw"));
    step(&mut vendor);
    let words = ["--github-output", "status", "--expiring-within", "20d"];
    vendor.run(&words).ends(1);
    assert_eq!(output(&vendor, "expiring"), "timestamp");
    let words = ["status", "--expiring-within", "90d", "--not-daily"];
    vendor.run(&words).ends(0);
    let words = ["status", "--expiring-within", "200d", "--not-daily"];
    vendor.run(&words).ends(1).prints("within 200d: hello");
}

#[test]
fn without_the_variable_it_is_no_step_and_a_file_that_can_not_be_written_is_an_error() {
    let mut vendor = Vendor::with_catalog();
    let words = ["--github-output", "status"];
    vendor.run(&words).ends(2).says(&["GITHUB_OUTPUT"]);
    vendor.variable("GITHUB_OUTPUT", "/nowhere/output");
    let image = vendor.image("hello", "1.0");
    let words = ["--github-output", "add", &image];
    vendor
        .run(&words)
        .ends(1)
        .says(&["GITHUB_OUTPUT", "/nowhere/output"]);
    assert_eq!(vendor.images("hello").len(), 1);
}
