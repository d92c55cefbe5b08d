//! Names that want to be paths, and roles that speak for what is not theirs.

use serde_json::json;

use super::{Expected, IMAGE, Scenario, Story};
use crate::image::ImageSpec;
use crate::simulator::{Delegation, Simulator};

/// Targets that an index must not bring into any directory. Each begins as the role's pattern asks, where it can.
const HOSTILE: &[&str] = &[
    "k3s_../../etc/passwd",
    "k3s_/../../../etc/cron.d/x",
    "/etc/passwd",
    "../k3s_1_noarch.raw",
    ".k3s_1_noarch.raw",
    "k3s_%2e%2e%2f%2e%2e%2fx.raw",
    "k3s_1 noarch.raw",
    "k3s_*.raw",
    "k3s_1_\\..\\x.raw",
    "k3s_1_n\u{f6}arch.raw",
    "k3s_1_noarch.raw\u{0}.txt",
];

const OTHERS: &str = "htop_9.9_noarch.raw";

pub(super) fn all() -> Vec<Scenario> {
    let mut scenarios = files();
    scenarios.extend(roles());
    scenarios
}

fn files() -> Vec<Scenario> {
    let length = |count: usize| format!("k3s_{}", "a".repeat(count));
    vec![
        Story::new(
            "file-names-that-climb",
            "The index of k3s lists files whose names are paths, patterns or not printable.",
        )
        .serves(|catalog| {
            for name in HOSTILE {
                let spec = ImageSpec::new("k3s").version("9");
                let honest = catalog.add_image("k3s", &spec);
                let targets = catalog.signed_mut("k3s")["targets"]
                    .as_object_mut()
                    .unwrap();
                let target = targets.remove(&honest).unwrap();
                targets.insert((*name).to_owned(), target);
            }
            catalog.publish();
        })
        .ends(Expected::Ignored { files: HOSTILE }),
        Story::new(
            "file-name-of-4000-bytes",
            "The index of k3s lists a file whose name has 4,004 bytes.",
        )
        .serves(|catalog| {
            catalog.add_target("k3s", &length(4000), b"");
            catalog.publish();
        })
        .ends(Expected::IndexRefused {
            says: "1 to 1024 bytes are needed",
        }),
        Story::new(
            "file-of-another-extension",
            "The index of k3s lists a file of htop.",
        )
        .serves(|catalog| {
            catalog.add_image("k3s", &ImageSpec::new("k3s"));
            steal(catalog, OTHERS);
        })
        .ends(Expected::Absent { file: OTHERS }),
        Story::new(
            "file-of-another-extension-ignored",
            "The index of k3s lists a file of htop: no image of k3s either.",
        )
        .serves(|catalog| steal(catalog, OTHERS))
        .ends(Expected::Ignored { files: &[OTHERS] }),
        Story::new(
            "image-of-another-schema",
            "The index of k3s lists images of a schema, class and kind that nobody knows yet.",
        )
        .serves(|catalog| {
            let spec = ImageSpec::new("k3s").version("10");
            let file = catalog.add_image("k3s", &spec);
            catalog.image_mut("k3s", &file)["schema"] = 2.into();
            let file = catalog.add_image("k3s", &spec.version("11"));
            catalog.image_mut("k3s", &file)["class"] = "confext".into();
            catalog.publish();
        })
        .ends(Expected::Ignored {
            files: &["k3s_10_noarch.raw", "k3s_11_noarch.raw"],
        }),
    ]
}

fn roles() -> Vec<Scenario> {
    let image = ImageSpec::new("k3s").version("9.9");
    vec![
        Story::new("earlier-role-owns-the-file", "A later role lists a file that an earlier, terminating role owns and does not list.")
            .serves(|catalog| {
                delegate(catalog, "targets", "later", &["k3s_*"]);
                catalog.add_target("later", "k3s_9.9_noarch.raw", image.build());
                catalog.publish();
            })
            .ends(Expected::Absent {
                file: "k3s_9.9_noarch.raw",
            }),
        Story::new("role-name-that-climbs", "Targets delegate to a role whose name is a path.")
            .serves(|catalog| {
                delegate(catalog, "targets", "../../../etc/cron.d/x", &["evil_*"]);
                catalog.publish();
            })
            .ends(Expected::Absent {
                file: "evil_1_noarch.raw",
            }),
        Story::new("role-name-of-a-top-role", "Targets delegate to a role that is called snapshot.")
            .serves(|catalog| rename_delegated(catalog, "snapshot"))
            .ends(Expected::Refused { role: "targets", says: "root, targets, snapshot and timestamp are taken" }),
        Story::new("role-name-of-4000-bytes", "Targets delegate to a role whose name has 4,000 bytes.")
            .serves(|catalog| rename_delegated(catalog, &"a".repeat(4000)))
            .ends(Expected::Refused { role: "targets", says: "1 to 1024 bytes are needed" }),
        Story::new("role-delegated-twice", "Targets delegate to k3s twice, the second time with a thief's key.")
            .serves(|catalog| {
                let again = Delegation {
                    role: "k3s",
                    keys: &["thief"],
                    paths: &["*"],
                    terminating: false,
                };
                catalog.add_delegation("targets", again);
                catalog.publish();
            })
            .ends(Expected::Refused { role: "targets", says: "is delegated twice" }),
        Story::new("delegations-in-a-circle", "Two roles delegate to each other.")
            .serves(|catalog| {
                delegate(catalog, "targets", "ring-1", &["ring_*"]);
                delegate(catalog, "ring-1", "ring-2", &["ring_*"]);
                delegate(catalog, "ring-2", "ring-1", &["ring_*"]);
                catalog.publish();
            })
            .ends(Expected::Absent {
                file: "ring_1_noarch.raw",
            }),
        Story::new("delegations-without-an-end", "33 roles delegate to one another; the last one lists a file, beyond the 32 that are visited.")
            .serves(|catalog| {
                let mut delegator = "targets".to_owned();
                for number in 1..=33 {
                    let role = format!("chain-{number}");
                    delegate(catalog, &delegator, &role, &["chain_*"]);
                    delegator = role;
                }
                catalog.add_target(&delegator, "chain_1_noarch.raw", image.build());
                catalog.publish();
            })
            .ends(Expected::Absent {
                file: "chain_1_noarch.raw",
            }),
    ]
}

/// Moves an image of k3s to another name in its index.
fn steal(catalog: &mut Simulator, name: &str) {
    let targets = catalog.signed_mut("k3s")["targets"]
        .as_object_mut()
        .unwrap();
    let target = targets[IMAGE].clone();
    targets.insert(name.to_owned(), target);
    catalog.publish();
}

fn delegate(catalog: &mut Simulator, delegator: &str, role: &str, paths: &[&str]) {
    let delegation = Delegation {
        role,
        keys: &["release"],
        paths,
        terminating: false,
    };
    catalog.add_delegation(delegator, delegation);
}

/// Delegates, under a name for which there is no document.
fn rename_delegated(catalog: &mut Simulator, name: &str) {
    let roles = catalog.signed_mut("targets")["delegations"]["roles"]
        .as_array_mut()
        .unwrap();
    let mut entry = roles[0].clone();
    entry["name"] = name.into();
    entry["paths"] = json!(["evil_*"]);
    roles.push(entry);
    catalog.publish();
}
