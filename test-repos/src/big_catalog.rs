//! What stands in a catalog of any size: names, descriptions and images as vendors publish them, without the images' bytes.
//!
//! - The same number gives the same extension, whatever the size of the catalog.
//! - Lengths are those of real programs; a patch has the share of its image that was measured on real pairs.

use std::collections::BTreeMap;
use std::time::Duration;

use sysext_formats::catalog::{
    Architecture, Container, Custom, ExtensionInfo, Image, ImageFacts, Links, SCHEMA, Transport,
    TransportKind,
};
use sysext_formats::digest::Sha256Digest;
use sysext_formats::name::{ExtensionName, FileName};
use sysext_formats::os::Fields;
use sysext_formats::role::Extra;
use sysext_formats::time::UtcTime;

/// Versions before an image from which there are patches.
const PATCHES_FROM: usize = 4;
/// Time between two releases; that of the model in `ci/bench/lib/fleet.py`.
const BETWEEN: Duration = Duration::from_secs(14 * 24 * 3600);

const FIRST: [&str; 50] = [
    "alert",
    "audit",
    "backup",
    "batch",
    "block",
    "build",
    "cache",
    "cert",
    "chart",
    "cloud",
    "cluster",
    "code",
    "config",
    "container",
    "cron",
    "data",
    "debug",
    "deploy",
    "disk",
    "dns",
    "edge",
    "event",
    "file",
    "flow",
    "git",
    "graph",
    "grid",
    "helm",
    "host",
    "image",
    "ingress",
    "job",
    "key",
    "kube",
    "lab",
    "log",
    "mail",
    "mesh",
    "metric",
    "net",
    "node",
    "object",
    "policy",
    "proxy",
    "queue",
    "registry",
    "secret",
    "storage",
    "trace",
    "vault",
];
const SECOND: [&str; 40] = [
    "agent",
    "api",
    "bridge",
    "broker",
    "bus",
    "check",
    "cli",
    "collector",
    "connect",
    "control",
    "core",
    "daemon",
    "driver",
    "engine",
    "exporter",
    "gate",
    "guard",
    "hub",
    "index",
    "kit",
    "lens",
    "manager",
    "monitor",
    "operator",
    "pilot",
    "planner",
    "probe",
    "relay",
    "router",
    "runner",
    "scan",
    "server",
    "shell",
    "sync",
    "tap",
    "tools",
    "tunnel",
    "view",
    "watch",
    "worker",
];
const LICENSES: [&str; 4] = ["Apache-2.0", "MIT", "MPL-2.0", "GPL-3.0-or-later"];

/// The name of an extension, and what its vendor says of it.
///
/// # Panics
/// Never: the words make names.
#[must_use]
pub fn extension(number: usize) -> (ExtensionName, ExtensionInfo) {
    let first = FIRST[number % FIRST.len()];
    let second = SECOND[number / FIRST.len() % SECOND.len()];
    let name = match number / (FIRST.len() * SECOND.len()) {
        0 => format!("{first}-{second}"),
        more => format!("{first}-{second}{}", more + 1),
    };
    let channels = [
        ("edge", "every build of the main branch"),
        ("stable", "recommended for production"),
    ];
    let info = ExtensionInfo {
        schema: SCHEMA,
        role: String::new(),
        summary: format!("{second} for {first} workloads, run beside the system's own"),
        homepage: format!("https://{name}.example.org"),
        license: LICENSES[number % LICENSES.len()].to_owned(),
        documentation: format!("https://docs.example.org/{name}/"),
        channels: channels
            .map(|(name, text)| (name.parse().unwrap(), text.to_owned()))
            .into(),
        retired: None,
        extra: Extra::new(),
    };
    (name.parse().unwrap(), info)
}

/// The images of an extension, oldest first; the newest was released at `now`.
///
/// # Panics
/// Never: the parts make images.
#[must_use]
pub fn images(number: usize, versions: usize, now: UtcTime) -> Vec<Image> {
    let (name, _) = extension(number);
    let mut images: Vec<Image> = Vec::new();
    for version in 0..versions {
        let age = BETWEEN * u32::try_from(versions - version - 1).unwrap();
        let released = UtcTime::from_unix(now.unix() - i64::try_from(age.as_secs()).unwrap());
        let image = image(&name, number, version, released, &images);
        images.push(image);
    }
    images
}

fn image(
    name: &ExtensionName,
    number: usize,
    version: usize,
    released: UtcTime,
    before: &[Image],
) -> Image {
    // 5 to 100 MB, a little more with each version.
    let length = (5_000_000 + (number as u64 * 7_919) % 95 * 1_000_000 + version as u64 * 40_960)
        .next_multiple_of(4096);
    let (major, minor) = (1 + number % 3, version / 5);
    let text = format!("{major}.{minor}.{}", version % 5).parse().unwrap();
    // Programs without libraries run everywhere; one in four needs a certain system.
    let release = if number.is_multiple_of(4) {
        "ID=opensuse-microos\nVERSION_ID=20261101\nSYSEXT_LEVEL=1\nARCHITECTURE=x86-64\n"
    } else {
        "ID=_any\nARCHITECTURE=x86-64\n"
    };
    let variant = number
        .is_multiple_of(4)
        .then_some("opensuse-microos-20261101");
    let architecture: Architecture = "x86-64".parse().unwrap();
    let file = Image::file_name(name, &text, variant, &architecture).unwrap();
    let transport = |kind: TransportKind, file: FileName, length, from| Transport {
        kind,
        sha256: digest(file.as_str()),
        file,
        length,
        from,
        urls: Vec::new(),
        extra: Extra::new(),
    };
    let zstd = format!("{file}.zst").parse().unwrap();
    let mut transports = vec![transport(TransportKind::Zstd, zstd, length / 4, None)];
    for base in before.iter().rev().take(PATCHES_FROM) {
        let kind = TransportKind::RelinkLzma;
        let patch = format!("{file}.from-{}.{}", base.sha256.short(12), kind.as_str());
        let patch = patch.parse().unwrap();
        transports.push(transport(kind, patch, length / 80, Some(base.sha256)));
    }
    let units = number.is_multiple_of(2).then(|| format!("{name}.service"));
    let fixes = version.is_multiple_of(6);
    let fixes = fixes.then(|| format!("CVE-2026-{}", 10_000 + number + version));
    Image {
        sha256: digest(file.as_str()),
        length,
        custom: Custom {
            schema: SCHEMA,
            class: "sysext".to_owned(),
            architecture,
            extension_release: Fields::parse(release.as_bytes()).unwrap(),
            channels: vec!["stable".parse().unwrap()],
            released,
            image: ImageFacts {
                container: Container::None,
                filesystem: "squashfs".to_owned(),
                compressed: false,
                verity: None,
                units: units.into_iter().collect(),
                setuid: Vec::new(),
                extra: Extra::new(),
            },
            transports,
            urls: Vec::new(),
            withdrawn: None,
            fixes: fixes.into_iter().collect(),
            rollout: None,
            links: Some(Links {
                notes: Some(format!("https://{name}.example.org/releases/{text}")),
                source: Some(format!("https://code.example.org/{name}/tree/v{text}")),
                provenance: None,
            }),
            version: text,
            extra: Extra::new(),
        },
        file,
    }
}

fn digest(text: &str) -> Sha256Digest {
    Sha256Digest::of(text.as_bytes())
}

/// What a publisher's configuration says about an extension.
#[must_use]
pub fn configuration(name: &ExtensionName, info: &ExtensionInfo) -> String {
    let channels: BTreeMap<_, _> = info.channels.iter().collect();
    let channels: Vec<_> = channels
        .into_iter()
        .map(|(name, text)| format!("{name} = {text:?}"))
        .collect();
    format!(
        "\n[extension.{name}]\nkey = \"\"\nsummary = {:?}\nhomepage = {:?}\nlicense = {:?}\ndocumentation = {:?}\n\
         channels = {{ {} }}\n",
        info.summary,
        info.homepage,
        info.license,
        info.documentation,
        channels.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_has_a_name_of_its_own() {
        let names: BTreeSet<_> = (0..10_000).map(|number| extension(number).0).collect();
        assert_eq!(names.len(), 10_000);
    }

    #[test]
    fn images_differ_and_patches_start_from_those_before() {
        let images = images(8, 20, UtcTime::from_unix(1_790_000_000));
        let files: BTreeSet<_> = images.iter().map(|image| &image.file).collect();
        assert_eq!((images.len(), files.len()), (20, 20));
        assert!(images.is_sorted_by(|one, next| one.version < next.version));
        for (number, image) in images.iter().enumerate() {
            let froms: Vec<_> = image.transports.iter().filter_map(|it| it.from).collect();
            assert_eq!(froms.len(), number.min(PATCHES_FROM));
            let before: BTreeSet<_> = images[..number].iter().map(|it| it.sha256).collect();
            assert!(froms.iter().all(|from| before.contains(from)));
        }
    }
}
