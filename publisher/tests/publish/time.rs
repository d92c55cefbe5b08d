//! What has expired can be read, and renewed; what hosts would refuse is not published. The clock is a parameter here.

use clap::Parser as _;
use sysext_formats::time::UtcTime;
use sysext_publish::cli::Cli;
use sysext_publish::cmd;
use sysext_publish::context::{Context, Environment, Verdict};
use sysext_publish::failure::{Failure, Kind};

use crate::common::Vendor;

pub(crate) fn run_in(vendor: &Vendor, days: u64, words: &[&str]) -> Result<Verdict, Failure> {
    let config = vendor.path("sysext-publish.toml");
    let mut all = vec![
        "sysext-publish",
        "--quiet",
        "--config",
        config.to_str().unwrap(),
    ];
    all.extend(words);
    let cli = Cli::try_parse_from(all).unwrap();
    let environment = Environment {
        now: UtcTime::from_unix(
            Environment::of_process().now.unix() + i64::try_from(days).unwrap() * 86_400,
        ),
        variable: |_| None,
    };
    cmd::run(&Context::new(cli.globals, environment), cli.command)
}

#[test]
fn the_daily_job_mends_what_has_expired() {
    let vendor = Vendor::with_catalog();
    assert_eq!(run_in(&vendor, 13, &["status"]).unwrap(), Verdict::Good);
    assert_eq!(
        run_in(&vendor, 13, &["status", "--expiring-within", "2d"]).unwrap(),
        Verdict::Bad
    );
    assert_eq!(run_in(&vendor, 40, &["status"]).unwrap(), Verdict::Bad);
    assert_eq!(
        run_in(&vendor, 40, &["verify"]).unwrap_err().kind,
        Kind::Unverified
    );
    run_in(&vendor, 40, &["renew"]).unwrap();
    assert_eq!(run_in(&vendor, 40, &["verify"]).unwrap(), Verdict::Good);
}

#[test]
fn the_snapshot_is_signed_again_at_half_of_its_life_and_not_before() {
    let vendor = Vendor::with_catalog();
    run_in(&vendor, 5, &["renew"]).unwrap();
    assert!(!vendor.path("public/metadata/2.snapshot.json").exists());
    run_in(&vendor, 16, &["renew"]).unwrap();
    assert!(vendor.path("public/metadata/2.snapshot.json").exists());
    assert!(!vendor.path("public/metadata/2.hello.json").exists());
}

#[test]
fn an_expired_index_does_not_stop_the_daily_job_and_is_mended_by_the_monthly_one() {
    let vendor = Vendor::with_catalog();
    run_in(&vendor, 200, &["renew"]).unwrap();
    let failure = run_in(&vendor, 200, &["verify"]).unwrap_err();
    assert!(
        failure.text().contains("hello version 1 is overdue"),
        "{}",
        failure.text()
    );
    run_in(
        &vendor,
        200,
        &["renew", "--release", "--expiring-within", "60d"],
    )
    .unwrap();
    assert_eq!(run_in(&vendor, 200, &["verify"]).unwrap(), Verdict::Good);
    assert!(
        !vendor.path("public/metadata/2.targets.json").exists(),
        "the table of contents was good for longer"
    );
}

#[test]
fn nothing_is_published_under_a_root_that_hosts_refuse() {
    let vendor = Vendor::with_catalog();
    let image = vendor.image("hello", "1.0");
    let before = vendor.published();
    let failure = run_in(&vendor, 366, &["add", &image]).unwrap_err();
    assert_eq!(failure.kind, Kind::SelfCheck, "{}", failure.text());
    assert!(
        failure.text().contains("root version 1 is overdue") && failure.text().contains("renew"),
        "{}",
        failure.text()
    );
    assert!(vendor.published() == before);
    run_in(&vendor, 366, &["renew", "--root", "--release"]).unwrap();
    run_in(&vendor, 366, &["add", &image]).unwrap();
    assert_eq!(run_in(&vendor, 366, &["verify"]).unwrap(), Verdict::Good);
}
