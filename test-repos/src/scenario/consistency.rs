//! Documents that do not belong together, or are not there.

use super::{Expected, Scenario, Story};
use crate::simulator::Simulator;

pub(super) fn all() -> Vec<Scenario> {
    let mut scenarios = mixed();
    scenarios.extend(missing());
    scenarios
}

/// Each of these is signed by the right key: only what the parent says gives it away.
fn mixed() -> Vec<Scenario> {
    vec![
        Story::new("snapshot-of-other-bytes", "The snapshot has the right length, and not the hashes that the timestamp gives.")
            .serves(|catalog| mix(catalog, "snapshot", |document| document["expires"] = "2026-12-01T00:00:00Z".into()))
            .ends(Expected::Refused { role: "snapshot", says: "snapshot is not what its parent promises" }),
        Story::new("targets-of-another-length", "Targets are shorter than the snapshot says.")
            .serves(|catalog| mix(catalog, "targets", |document| document["x-sysext"]["title"] = "Shorter".into()))
            .ends(Expected::Refused { role: "targets", says: "targets is not what its parent promises" }),
        Story::new("index-of-other-bytes", "The index of k3s has the right length, and not the hashes that the snapshot gives.")
            .serves(|catalog| {
                mix(catalog, "k3s", |document| {
                    document["x-sysext"]["summary"] = "k3s, simulatef".into();
                });
            })
            .ends(Expected::IndexRefused {
                says: "k3s is not what its parent promises",
            }),
        Story::new("snapshot-of-another-version", "What stands where the snapshot belongs is another version.")
            .serves(|catalog| misplace(catalog, "snapshot"))
            .ends(Expected::Refused { role: "snapshot", says: "snapshot has version" }),
        Story::new("targets-of-another-version", "What stands where targets belong is another version.")
            .serves(|catalog| misplace(catalog, "targets"))
            .ends(Expected::Refused { role: "targets", says: "targets has version" }),
        Story::new("index-of-another-version", "What stands where the index of k3s belongs is another version.")
            .serves(|catalog| misplace(catalog, "k3s"))
            .ends(Expected::IndexRefused {
                says: "k3s has version",
            }),
        Story::new("index-of-another-extension", "What stands where the index of k3s belongs is that of htop.")
            .serves(|catalog| {
                catalog.touch("k3s");
                catalog.publish();
                let other = catalog.file(&catalog.path("htop")).to_vec();
                catalog.put(&catalog.path("k3s"), other);
            })
            .ends(Expected::IndexRefused {
                says: "k3s is signed only by keys that may not sign it",
            }),
        Story::new("index-key-withdrawn", "Targets give k3s another key; its index, already known, is still signed by the old one.")
            .serves(|catalog| {
                catalog.set_keys("k3s", &["k3s-2"]);
                // Nobody wrote the index again.
                catalog.set_signers("k3s", &["k3s"]);
                catalog.publish();
            })
            .ends(Expected::IndexRefused {
                says: "k3s is signed only by keys that may not sign it",
            }),
    ]
}

fn missing() -> Vec<Scenario> {
    let without = |role: &'static str| {
        move |catalog: &mut Simulator| {
            catalog.touch(role);
            catalog.publish();
            catalog.remove(&catalog.path(role));
        }
    };
    vec![
        Story::new("timestamp-missing", "There is no timestamp.")
            .serves(without("timestamp"))
            .ends(Expected::Refused {
                role: "timestamp",
                says: "timestamp.json is not there",
            }),
        Story::new(
            "snapshot-missing",
            "The snapshot that the timestamp names is not there.",
        )
        .serves(without("snapshot"))
        .ends(Expected::Refused {
            role: "snapshot",
            says: "snapshot.json is not there",
        }),
        Story::new(
            "targets-missing",
            "The targets that the snapshot names are not there.",
        )
        .serves(without("targets"))
        .ends(Expected::Refused {
            role: "targets",
            says: "targets.json is not there",
        }),
        Story::new(
            "index-missing",
            "The index of k3s that the snapshot names is not there.",
        )
        .serves(without("k3s"))
        .ends(Expected::IndexRefused {
            says: "k3s.json is not there",
        }),
        Story::new(
            "index-not-in-snapshot",
            "Targets delegate to k3s, and no snapshot ever listed its index.",
        )
        .has_seen(unlist_index)
        .ends(Expected::IndexRefused {
            says: "k3s is not listed in the snapshot",
        }),
    ]
}

fn unlist_index(catalog: &mut Simulator) {
    let meta = catalog.signed_mut("snapshot")["meta"]
        .as_object_mut()
        .unwrap();
    meta.remove("k3s.json").unwrap();
    // A host that starts here has seen no other snapshot.
    catalog.publish();
}

/// Publishes with hashes, then puts another document of the same version in place of `role`'s.
fn mix(catalog: &mut Simulator, role: &str, change: impl FnOnce(&mut serde_json::Value)) {
    catalog.with_hashes = true;
    catalog.touch(role);
    catalog.publish();
    change(catalog.signed_mut(role));
    catalog.write(role);
}

/// Publishes a new version, and puts the version before it where the new one belongs.
fn misplace(catalog: &mut Simulator, role: &str) {
    let former = catalog.file(&catalog.path(role)).to_vec();
    catalog.touch(role);
    catalog.publish();
    catalog.put(&catalog.path(role), former);
}
