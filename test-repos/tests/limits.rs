//! Limits of the workflow that no single repository on disk can show.

use sysext_formats::limits::Limits;
use sysext_formats::trust::Clock;
use sysext_formats::workflow::{CachedFile, refresh};
use test_repos::simulator::Simulator;

#[test]
fn the_walk_of_the_roots_stops_at_its_limit_and_goes_on_the_next_time() {
    let mut vendor = Simulator::new("2026-06-01T00:00:00Z");
    vendor.publish();
    let mut host = vendor.host();
    for _ in 0..4 {
        vendor.touch("root");
        vendor.publish();
    }
    let newest = vendor.version("root");
    let limits = Limits {
        new_roots: 3,
        ..Limits::default()
    };
    let mut seen = Vec::new();
    for _ in 0..2 {
        let clock = Clock::enforcing(vendor.now());
        let fresh = refresh(Some(vendor.remote()), &mut host, clock, limits.clone()).unwrap();
        seen.push(fresh.stage().root().version.get());
    }
    assert_eq!(seen, [newest - 1, newest]);
    // What was walked so far is kept byte for byte.
    let newest = vendor.path("root");
    assert_eq!(host.get(&CachedFile::Root), Some(vendor.file(&newest)));
}
