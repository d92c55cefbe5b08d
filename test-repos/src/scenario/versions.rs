//! Old versions offered again, versions far ahead, and time.

use super::{Expected, Scenario, Story};
use crate::image::ImageSpec;
use crate::simulator::Simulator;

/// Far ahead, and still a version that an honest publisher can not reach.
const FAR: u64 = 1_000_000;

pub(super) fn all() -> Vec<Scenario> {
    let mut scenarios = rolled_back();
    scenarios.extend(fast_forwarded());
    scenarios.extend(expired());
    scenarios
}

fn rolled_back() -> Vec<Scenario> {
    let back = |role: &'static str| move |catalog: &mut Simulator| roll_back(catalog, role);
    vec![
        Story::new(
            "timestamp-rolled-back",
            "An older timestamp is offered again.",
        )
        .serves(|catalog| {
            catalog.set_version("timestamp", 1);
            catalog.write("timestamp");
        })
        .ends(Expected::Refused {
            role: "timestamp",
            says: "timestamp was rolled back",
        }),
        Story::new(
            "snapshot-rolled-back",
            "A new timestamp names an older snapshot.",
        )
        .serves(|catalog| {
            catalog.set_version("snapshot", 1);
            catalog.write("snapshot");
            catalog.list("timestamp", "snapshot");
            catalog.publish();
        })
        .ends(Expected::Refused {
            role: "timestamp",
            says: "snapshot was rolled back",
        }),
        Story::new("targets-rolled-back", "A new snapshot names older targets.")
            .serves(back("targets"))
            .ends(Expected::Refused {
                role: "snapshot",
                says: "targets was rolled back",
            }),
        Story::new(
            "index-rolled-back",
            "A new snapshot names an older index of k3s.",
        )
        .serves(back("k3s"))
        .ends(Expected::Refused {
            role: "snapshot",
            says: "k3s was rolled back",
        }),
        Story::new(
            "extension-dropped",
            "A new snapshot does not list the index of k3s any more.",
        )
        .serves(|catalog| drop_from_snapshot(catalog, "k3s.json"))
        .ends(Expected::Refused {
            role: "snapshot",
            says: "k3s was dropped from the snapshot",
        }),
        Story::new(
            "targets-dropped",
            "A new snapshot does not list targets any more.",
        )
        .serves(|catalog| drop_from_snapshot(catalog, "targets.json"))
        .ends(Expected::Refused {
            role: "snapshot",
            says: "targets was dropped from the snapshot",
        }),
        Story::new(
            "extension-retired",
            "The index of k3s is empty and says why: the honest way to end an extension.",
        )
        .serves(|catalog| {
            catalog.retire("k3s", "no longer made", Some("htop"));
            catalog.publish();
        })
        .mended_by(|catalog| {
            let info = catalog.signed_mut("k3s")["x-sysext"]
                .as_object_mut()
                .unwrap();
            info.remove("retired");
            catalog.add_image("k3s", &ImageSpec::new("k3s").version("1.31.5+k3s1"));
            catalog.publish();
        })
        .ends(Expected::Absent { file: super::IMAGE }),
    ]
}

fn fast_forwarded() -> Vec<Scenario> {
    let far = |role: &'static str| {
        move |catalog: &mut Simulator| {
            catalog.set_version(role, FAR);
            catalog.publish();
        }
    };
    vec![
        Story::new("fast-forwarded-timestamp", "A thief's timestamp was far ahead; the publisher goes on from its own, without new keys.")
            .has_seen(far("timestamp"))
            .serves(|catalog| set_back(catalog, &["timestamp"]))
            .mended_by(rotate_online)
            .ends(Expected::Refused { role: "timestamp", says: "timestamp was rolled back" }),
        Story::new("fast-forwarded-timestamp-recovered", "A thief's timestamp was far ahead; a new root gave the timestamp another key.")
            .has_seen(far("timestamp"))
            .serves(|catalog| {
                set_back(catalog, &["timestamp"]);
                rotate_online(catalog);
            })
            .ends(Expected::Accepted),
        Story::new(
            "fast-forwarded-timestamp-recovered-with-the-old-key",
            "The timestamp was far ahead by mistake; a new root gave it a second key and kept the first, which still vouches for the mistake.",
        )
        .has_seen(far("timestamp"))
        .serves(|catalog| {
            set_back(catalog, &["timestamp"]);
            catalog.set_keys("timestamp", &["online", "online-2"]);
            catalog.publish();
        })
        .ends(Expected::Accepted),
        Story::new("fast-forwarded-snapshot-recovered", "A thief's snapshot was far ahead; a new root gave snapshot and timestamp another key.")
            .has_seen(far("snapshot"))
            .serves(|catalog| {
                set_back(catalog, &["snapshot", "timestamp"]);
                rotate_online(catalog);
            })
            .ends(Expected::Accepted),
        Story::new("fast-forwarded-index", "A thief's index of k3s was far ahead; the publisher goes on from its own, without new keys.")
            .has_seen(far("k3s"))
            .serves(|catalog| {
                set_back(catalog, &["k3s"]);
                catalog.publish();
            })
            .mended_by(rotate_online)
            .ends(Expected::Refused { role: "snapshot", says: "k3s was rolled back" }),
        Story::new("fast-forwarded-index-recovered", "A thief's index of k3s was far ahead; a new root gave the snapshot another key.")
            .has_seen(far("k3s"))
            .serves(|catalog| {
                set_back(catalog, &["k3s"]);
                rotate_online(catalog);
            })
            .ends(Expected::Accepted),
        Story::new("fast-forwarded-targets-recovered", "A thief's targets were far ahead; a new root gave the snapshot another key.")
            .has_seen(far("targets"))
            .serves(|catalog| {
                set_back(catalog, &["targets"]);
                rotate_online(catalog);
            })
            .ends(Expected::Accepted),
    ]
}

fn expired() -> Vec<Scenario> {
    let expire = |role: &'static str| {
        move |catalog: &mut Simulator| {
            catalog.expire(role);
            catalog.publish();
        }
    };
    vec![
        Story::new("timestamp-expired", "The timestamp has expired.")
            .serves(expire("timestamp"))
            .ends(Expected::Refused {
                role: "timestamp",
                says: "timestamp version 5 is overdue",
            }),
        Story::new("snapshot-expired", "The snapshot has expired.")
            .serves(expire("snapshot"))
            .ends(Expected::Refused {
                role: "snapshot",
                says: "snapshot version 5 is overdue",
            }),
        Story::new("targets-expired", "Targets have expired.")
            .serves(expire("targets"))
            .ends(Expected::Refused {
                role: "targets",
                says: "targets version 4 is overdue",
            }),
        Story::new(
            "index-expired",
            "The index of k3s has expired; that of htop has not.",
        )
        .serves(expire("k3s"))
        .ends(Expected::IndexRefused {
            says: "k3s version 4 is overdue",
        }),
    ]
}

/// Publishes a role's first version again, in a new snapshot.
fn roll_back(catalog: &mut Simulator, role: &str) {
    set_back(catalog, &[role]);
    catalog.publish();
}

/// Writes older versions of these documents, and lists them.
fn set_back(catalog: &mut Simulator, roles: &[&str]) {
    for role in roles {
        catalog.set_version(role, 2);
        catalog.write(role);
        match *role {
            "timestamp" => {}
            "snapshot" => catalog.list("timestamp", role),
            role => catalog.list("snapshot", role),
        }
    }
}

fn drop_from_snapshot(catalog: &mut Simulator, file: &str) {
    let meta = catalog.signed_mut("snapshot")["meta"]
        .as_object_mut()
        .unwrap();
    meta.remove(file).unwrap();
    catalog.publish();
}

fn rotate_online(catalog: &mut Simulator) {
    for role in ["snapshot", "timestamp"] {
        catalog.set_keys(role, &["online-2"]);
    }
    catalog.publish();
}
