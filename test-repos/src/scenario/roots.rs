//! From one root to the next.

use super::{Expected, Scenario, Story};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Story::new(
            "root-rotated",
            "The root's keys changed, and so did all others: old and new keys signed.",
        )
        .serves(|catalog| {
            catalog.set_keys("root", &["root-3", "root-4"]);
            for role in ["targets", "snapshot", "timestamp", "k3s"] {
                catalog.set_keys(role, &[&format!("{role}-2")]);
            }
            catalog.publish();
        })
        .ends(Expected::Accepted),
        Story::new(
            "root-skips-a-version",
            "What stands at version 2 of the root says that it is version 3.",
        )
        .serves(|catalog| {
            catalog.set_version("root", 3);
            move_root(catalog, 3, 2);
        })
        .ends(Expected::Refused {
            role: "root",
            says: "root has version 3, 2 was expected",
        }),
        Story::new(
            "root-repeats-a-version",
            "What stands at version 2 of the root is version 1 again.",
        )
        .serves(|catalog| {
            let first = catalog.file("metadata/1.root.json").to_vec();
            catalog.put("metadata/2.root.json", first);
        })
        .ends(Expected::Refused {
            role: "root",
            says: "root has version 1, 2 was expected",
        }),
        Story::new(
            "root-not-signed-by-the-old-one",
            "The new root is signed by its own keys only.",
        )
        .serves(|catalog| {
            catalog.set_keys("root", &["thief"]);
            catalog.set_root_cosigners(&[]);
            catalog.publish();
        })
        .ends(Expected::Refused {
            role: "root",
            says: "root is signed only by keys that may not sign it",
        }),
        Story::new(
            "root-not-signed-by-itself",
            "The new root lists new keys, which did not sign it.",
        )
        .serves(|catalog| {
            catalog.set_keys("root", &["root-3"]);
            catalog.set_signers("root", &["root-1"]);
            catalog.publish();
        })
        .ends(Expected::Refused {
            role: "root",
            says: "root is signed only by keys that may not sign it",
        }),
        Story::new(
            "root-below-its-own-threshold",
            "The new root asks for two of its keys, one of them signed it.",
        )
        .serves(|catalog| {
            catalog.set_keys("root", &["root-3", "root-4"]);
            catalog.set_threshold("root", 2);
            catalog.set_signers("root", &["root-3"]);
            catalog.publish();
        })
        .ends(Expected::Refused {
            role: "root",
            says: "root has 1 good signature(s) of 2 needed",
        }),
        Story::new(
            "root-expired-in-between",
            "Version 2 of the root has expired, version 3 has not.",
        )
        .serves(|catalog| {
            catalog.expire("root");
            catalog.publish();
            catalog.renew("root");
            catalog.publish();
        })
        .ends(Expected::Accepted),
        Story::new("root-expired", "The newest root has expired.")
            .serves(|catalog| {
                catalog.expire("root");
                catalog.publish();
            })
            .mended_by(|catalog| {
                catalog.renew("root");
                catalog.publish();
            })
            .ends(Expected::Refused {
                role: "root",
                says: "root version 2 is overdue",
            }),
    ]
}

/// Writes the root as it is, and moves it to where another version belongs.
fn move_root(catalog: &mut crate::simulator::Simulator, written: u64, to: u64) {
    catalog.write("root");
    let from = format!("metadata/{written}.root.json");
    let bytes = catalog.file(&from).to_vec();
    catalog.remove(&from);
    catalog.put(&format!("metadata/{to}.root.json"), bytes);
}
