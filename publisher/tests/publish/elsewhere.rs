//! Images that lie at URLs of their own, such as the assets of a release.

use std::collections::BTreeMap;

use serde_json::Value;
use test_repos::fault_server::{Behaviour, FaultServer, Times};
use test_repos::image::ImageSpec;
use test_repos::tls::{CERTIFICATE, TlsFront};

use crate::common::{Run, Vendor};

const IMAGE: &str = "hello_1.0_noarch.raw";
const TRANSPORT: &str = "hello_1.0_noarch.raw.zst";

/// A vendor, and a server of release assets at https://.
struct Release {
    vendor: Vendor,
    image: String,
    assets: FaultServer,
    front: TlsFront,
}

impl Release {
    fn new() -> Self {
        let mut vendor = Vendor::with_catalog();
        vendor.write("front.pem", CERTIFICATE.as_bytes());
        let certificate = vendor.path("front.pem");
        vendor.variable("SSL_CERT_FILE", certificate.to_str().unwrap());
        let image = vendor.image("hello", "1.0");
        let assets = FaultServer::empty();
        let front = TlsFront::start(assets.address());
        Self {
            vendor,
            image,
            assets,
            front,
        }
    }

    /// The folder of the release.
    fn at(&self) -> String {
        self.front.url("download/v1.0")
    }

    fn propose(&self) -> BTreeMap<String, Vec<u8>> {
        let words = [
            "propose",
            "-o",
            "out",
            "add",
            "--at",
            &self.at(),
            &self.image,
        ];
        self.vendor.run(&words).ends(0);
        self.vendor.files("out/images")
    }

    fn upload(&self, assets: BTreeMap<String, Vec<u8>>) {
        for (name, bytes) in assets {
            self.assets.put(&format!("download/v1.0/{name}"), bytes);
        }
    }

    fn add(&self) -> Run {
        self.vendor.run(&["add", "--at", &self.at(), &self.image])
    }

    fn publish(&self) -> Run {
        self.vendor.run(&["publish", "out"])
    }

    /// Nothing of the extension is published, and nothing lies about.
    fn nothing_came_of_it(&self) {
        assert!(self.vendor.images("hello").is_empty());
        assert!(
            self.vendor
                .files("public")
                .keys()
                .all(|it| !it.starts_with("images/h"))
        );
    }

    fn entry(&self) -> Value {
        let index = self.vendor.read("public/metadata/2.hello.json");
        let index: Value = serde_json::from_slice(&index).unwrap();
        index["signed"]["targets"][IMAGE]["custom"]["sysext"].clone()
    }
}

#[test]
fn what_is_proposed_is_uploaded_and_then_published_from_where_it_is() {
    let release = Release::new();
    let assets = release.propose();
    let names: Vec<_> = assets.keys().map(String::as_str).collect();
    assert_eq!(names, [IMAGE, TRANSPORT]);
    // Before the upload there is nothing to lead hosts to.
    release.publish().ends(5).says(&[
        &release.front.url(&format!("download/v1.0/{IMAGE}")),
        "is not there",
        "draft",
    ]);
    release.nothing_came_of_it();
    release.upload(assets);
    release.publish().ends(0).prints("published");
    assert!(
        release
            .vendor
            .files("public")
            .keys()
            .all(|it| !it.contains("hello_1.0_"))
    );
    let entry = release.entry();
    let url = |name: &str| Value::from(format!("{}/{name}", release.at()));
    assert_eq!(entry["urls"], Value::from(vec![url(IMAGE)]));
    assert_eq!(
        entry["transports"][0]["urls"],
        Value::from(vec![url(TRANSPORT)])
    );
    release.publish().ends(0).prints("nothing to do");
    // Nobody asks for what is published already.
    release.assets.clear_log();
    release.add().ends(0).prints("nothing to do");
    assert!(release.assets.requests().is_empty());
    release
        .vendor
        .run(&["verify", "--all"])
        .ends(0)
        .prints("1 transport(s)");
    release.vendor.run(&["renew"]).ends(0);
    release
        .vendor
        .run(&["withdraw", "hello", "1.0", "--reason", "late"])
        .ends(0);
}

#[test]
fn patches_are_uploaded_with_what_is_proposed_and_else_lie_with_the_catalog() {
    let mut release = Release::new();
    let patch_of = |release: &Release, version: &str, number: u32| {
        let path = format!("public/metadata/{number}.hello.json");
        let index: Value = serde_json::from_slice(&release.vendor.read(&path)).unwrap();
        let image = format!("hello_{version}_noarch.raw");
        let transports = &index["signed"]["targets"][image]["custom"]["sysext"]["transports"];
        let transports = transports.as_array().unwrap().clone();
        let patch = transports.iter().find(|it| it["kind"] == "relink-lzma");
        patch.cloned()
    };
    let published = |release: &Release| {
        let files = release.vendor.files("public");
        let patches = files.keys().filter(|it| it.ends_with(".relink-lzma"));
        patches.count()
    };
    let image = |release: &Release, version: &str| {
        let spec = ImageSpec::new("hello").version(version).padding(300_000, 1);
        let file = format!("hello_{version}_noarch.raw");
        release.vendor.image_of(&spec, &file)
    };
    for (version, number) in [("1.0", 2), ("1.1", 3)] {
        release.image = image(&release, version);
        let assets = release.propose();
        release.upload(assets);
        release.publish().ends(0);
        let patch = patch_of(&release, version, number);
        assert_eq!(patch.is_some(), version == "1.1");
        if let Some(patch) = patch {
            let file = patch["file"].as_str().unwrap();
            assert_eq!(patch["urls"][0], format!("{}/{file}", release.at()));
        }
    }
    assert_eq!(published(&release), 0);
    // Somebody else uploaded the image, and knows nothing of patches.
    release.image = image(&release, "1.2");
    let mut assets = release.propose();
    assets.retain(|name, _| !name.ends_with(".relink-lzma"));
    release.upload(assets);
    release.add().ends(0);
    let patch = patch_of(&release, "1.2", 4).unwrap();
    assert_eq!(patch["urls"].as_array(), None);
    assert_eq!(published(&release), 2);
    let verify = ["verify", "--all"];
    release.vendor.run(&verify).ends(0).prints("6 transport(s)");
}

#[test]
fn what_is_uploaded_already_is_added() {
    let release = Release::new();
    release.add().ends(5).says(&["is not there", "propose"]);
    release.nothing_came_of_it();
    release.upload(release.propose());
    release.add().ends(0).prints("published");
    release.vendor.run(&["verify", "--all"]).ends(0);
    // A folder likewise; the other image is beside the first one.
    release.vendor.image("hello", "2.0");
    let folder = release.vendor.path(".");
    let at = release.at();
    let words = ["sync", "--at", &at, folder.to_str().unwrap()];
    release
        .vendor
        .run(&words)
        .ends(5)
        .says(&["hello_2.0_noarch.raw"]);
}

#[test]
fn other_bytes_at_a_url_are_refused_by_both_ways() {
    let release = Release::new();
    let good = release.propose();
    let mut longer = good.clone();
    longer.get_mut(IMAGE).unwrap().push(0);
    let mut shorter = good.clone();
    shorter.get_mut(IMAGE).unwrap().pop();
    let mut other = good.clone();
    other.get_mut(IMAGE).unwrap()[4000] ^= 1;
    let mut transport = good.clone();
    transport.get_mut(TRANSPORT).unwrap()[20] ^= 1;
    for (assets, says) in [
        (longer, "more than"),
        (shorter, "were promised"),
        (other, "sha256"),
        (transport, TRANSPORT),
    ] {
        release.upload(assets);
        release.publish().ends(7).says(&["is another file", says]);
        release.add().ends(7).says(&["is another file", says]);
        release.nothing_came_of_it();
    }
    release.upload(good);
    release.assets.remove(&format!("download/v1.0/{TRANSPORT}"));
    release.publish().ends(5).says(&[TRANSPORT, "is not there"]);
    release.nothing_came_of_it();
}

#[test]
fn a_server_that_fails_or_never_ends_is_given_up() {
    let release = Release::new();
    release.upload(release.propose());
    let path = format!("download/v1.0/{IMAGE}");
    let says = |behaviour: Behaviour, code: i32, word: &str| {
        release.assets.behave(&path, Times::Always, behaviour);
        release.publish().ends(code).says(&[word]);
        release.nothing_came_of_it();
        release.assets.behave_well();
    };
    says(Behaviour::Endless, 7, "more than");
    says(Behaviour::CutAfter { bytes: 100 }, 5, IMAGE);
    says(Behaviour::RedirectLoop, 5, IMAGE);
    release.publish().ends(0);
}

#[test]
fn redirects_to_another_host_are_followed_and_none_to_something_weaker() {
    let release = Release::new();
    let assets = release.propose();
    // What the release's URLs lead to: another host, with names of its own.
    let store = FaultServer::empty();
    let front = TlsFront::start(store.address());
    for (number, (name, bytes)) in assets.into_iter().enumerate() {
        let path = format!("download/v1.0/{name}");
        store.put(&format!("blob/{number}"), bytes);
        let plain = Behaviour::RedirectTo(store.url(&format!("blob/{number}")));
        release.assets.behave(&path, Times::Next(1), plain);
    }
    release.publish().ends(5).says(&["https"]);
    release.nothing_came_of_it();
    assert!(store.requests().is_empty(), "nobody was asked in clear");
    release.assets.behave_well();
    for (number, name) in [IMAGE, TRANSPORT].into_iter().enumerate() {
        let there = Behaviour::RedirectTo(front.url(&format!("blob/{number}?token=short-lived")));
        let path = format!("download/v1.0/{name}");
        release.assets.behave(&path, Times::Always, there);
    }
    release.publish().ends(0);
    release.vendor.run(&["verify", "--all"]).ends(0);
}

#[test]
fn a_url_that_hosts_do_not_follow_is_refused_before_anything_is_read() {
    let release = Release::new();
    let before = release.vendor.published();
    let plain = release.assets.url("download");
    for at in [
        plain.as_str(),
        "http://x.example/",
        "https://user@x.example/",
        "file:///tmp/",
        "https://x.example/?asset=",
    ] {
        let words = ["add", "--at", at, &release.image];
        release.vendor.run(&words).ends(2).says(&[at]);
        let words = ["propose", "add", "--at", at, &release.image];
        release.vendor.run(&words).ends(2).says(&[at]);
    }
    assert!(release.assets.requests().is_empty());
    assert!(release.vendor.published() == before);
    // Where the catalog itself is tried on the loopback interface, its images may be there.
    let url = "url = [\"https://sysext.example/\"]";
    release
        .vendor
        .edit("sysext-publish.toml", url, "url = [\"http://127.0.0.1:1\"]");
    let words = ["add", "--at", &plain, &release.image];
    release.vendor.run(&words).ends(5).says(&["is not there"]);
}

#[test]
fn a_proposal_whose_urls_are_not_followed_is_not_published() {
    let release = Release::new();
    release.upload(release.propose());
    let file = release.vendor.path("out/proposal.json");
    let text = std::fs::read_to_string(&file).unwrap();
    // Whoever holds a delegated key signs what he likes; here the signature is missing, and that is said first.
    let weaker = text.replace("https://127.0.0.1", "http://127.0.0.1");
    assert_ne!(weaker, text);
    std::fs::write(&file, weaker).unwrap();
    assert_ne!(release.publish().code, 0);
    release.nothing_came_of_it();
    let key = ["sign", "out", "--yes"];
    release.vendor.run(&key).ends(0);
    release
        .publish()
        .ends(2)
        .says(&["http://127.0.0.1", "hosts follow"]);
    release.nothing_came_of_it();
}

#[test]
fn no_url_of_an_image_that_a_patch_starts_from_is_followed_before_it_was_judged() {
    let release = Release::new();
    let spec = |version: &str| ImageSpec::new("hello").version(version).padding(300_000, 1);
    // By its name the older one comes second, so the patch is tried before the image that it starts from is looked at.
    let image = |version: &str| {
        let file = format!("hello_{version}_noarch.raw");
        release.vendor.image_of(&spec(version), &file)
    };
    let (old, new) = (image("9"), image("10"));
    let at = release.at();
    let words = ["propose", "-o", "out", "add", "--at", &at, &old, &new];
    release
        .vendor
        .run(&words)
        .ends(0)
        .says(&["hello 9 → 10: a patch of"]);
    release.upload(release.vendor.files("out/images"));
    std::fs::remove_file(release.vendor.path("out/images/hello_9_noarch.raw")).unwrap();
    let file = release.vendor.path("out/proposal.json");
    let good = std::fs::read_to_string(&file).unwrap();
    let url = format!("\"{at}/hello_9_noarch.raw\"");
    let inside = format!("\"{}\"", release.assets.url("inside"));
    for (urls, says) in [
        (inside.clone(), "hosts follow"),
        (format!("{url},{inside}"), "hosts follow"),
        ([url.as_str(); 9].join(","), "9 URLs"),
    ] {
        let other = good.replace(&url, &urls);
        assert_ne!(other, good);
        std::fs::write(&file, other).unwrap();
        release.vendor.run(&["sign", "out", "--yes"]).ends(0);
        release.assets.clear_log();
        release.publish().ends(2).says(&[says]);
        assert!(release.assets.requests().is_empty(), "{says}");
        release.nothing_came_of_it();
    }
}

#[test]
fn a_patch_starts_from_the_first_place_that_has_the_signed_bytes() {
    let release = Release::new();
    let spec = |version: &str| ImageSpec::new("hello").version(version).padding(300_000, 1);
    let image = |version: &str| {
        let file = format!("hello_{version}_noarch.raw");
        release.vendor.image_of(&spec(version), &file)
    };
    let first = image("1.0");
    let at = release.at();
    let words = ["propose", "-o", "out", "add", "--at", &at, &first];
    release.vendor.run(&words).ends(0);
    let assets = release.vendor.files("out/images");
    release.upload(assets.clone());
    release.assets.put("mirror", assets[IMAGE].clone());
    let file = release.vendor.path("out/proposal.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let url = format!("\"{at}/{IMAGE}\"");
    let both = format!("{url},\"{}\"", release.front.url("mirror"));
    std::fs::write(&file, text.replace(&url, &both)).unwrap();
    release.vendor.run(&["sign", "out", "--yes"]).ends(0);
    release.publish().ends(0);

    let mut other = assets[IMAGE].clone();
    other[4000] ^= 1;
    release
        .assets
        .put(&format!("download/v1.0/{IMAGE}"), other.clone());
    let add = |version: &str| release.vendor.run(&["add", &image(version)]).ends(0);
    add("1.1").says(&["hello 1.0 → 1.1: a patch of"]);
    release.assets.put("mirror", other);
    add("1.2").says(&["no patch from hello 1.0", "/mirror", "sha256"]);
    release
        .vendor
        .write(&format!("public/images/{IMAGE}"), &assets[IMAGE]);
    add("1.3").says(&["hello 1.0 → 1.3: a patch of"]);
}

#[test]
fn what_lay_elsewhere_is_not_said_to_be_deleted_and_not_put_back() {
    let release = Release::new();
    release.upload(release.propose());
    release.publish().ends(0);
    let vendor = &release.vendor;
    vendor.run(&["add", &vendor.image("hello", "2.0")]).ends(0);
    vendor.run(&["add", &vendor.image("hello", "3.0")]).ends(0);
    vendor.run(&["prune", "--keep", "1"]).ends(0);
    let folder = vendor.path("built");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(&release.image, folder.join(IMAGE)).unwrap();
    let at = release.at();
    vendor
        .run(&["sync", "--at", &at, "built"])
        .ends(0)
        .says(&["1 image(s) that were pruned"]);
    let mut record: Value = serde_json::from_slice(&vendor.read("public/pruned.json")).unwrap();
    for left in record["files"].as_object_mut().unwrap().values_mut() {
        left["since"] = "2020-01-01T00:00:00Z".into();
    }
    vendor.write("public/pruned.json", record.to_string().as_bytes());
    let here: usize = [".raw", ".raw.zst"]
        .map(|end| {
            vendor
                .read(&format!("public/images/hello_2.0_noarch{end}"))
                .len()
        })
        .iter()
        .sum();
    let swept = vendor.run(&["--json", "prune"]).ends(0);
    assert!(swept.out.contains("hello_2.0_"), "{}", swept.out);
    assert!(!swept.out.contains("hello_1.0_"), "{}", swept.out);
    assert_eq!(swept.json()["bytes"], here);
    let record = vendor.read("public/pruned.json");
    assert!(!String::from_utf8(record).unwrap().contains("hello_1.0_"));
}

#[test]
fn verify_looks_at_the_urls_and_says_what_is_wrong_there() {
    let release = Release::new();
    let assets = release.propose();
    release.upload(assets.clone());
    release.publish().ends(0);
    release.vendor.run(&["verify", "--all"]).ends(0);
    release.assets.remove(&format!("download/v1.0/{IMAGE}"));
    release
        .vendor
        .run(&["verify"])
        .ends(4)
        .prints("is not there");
    let mut other = assets.clone();
    other.get_mut(IMAGE).unwrap()[4000] ^= 1;
    other.get_mut(TRANSPORT).unwrap().pop();
    release.upload(other);
    release
        .vendor
        .run(&["verify"])
        .ends(4)
        .prints(&format!("v1.0/{IMAGE}: "))
        .prints(&format!("v1.0/{TRANSPORT}: "));
    release.upload(assets);
    release.vendor.run(&["verify"]).ends(0);
}

#[test]
fn what_lies_elsewhere_is_not_in_the_list_for_sysupdate() {
    let release = Release::new();
    release.vendor.edit(
        "sysext-publish.toml",
        "openpgp = \"\"",
        "openpgp = \"cmd:printf \\\\210\"",
    );
    release.upload(release.propose());
    release.publish().ends(0);
    assert!(
        release
            .vendor
            .files("public")
            .keys()
            .all(|it| !it.contains("SHA256SUMS"))
    );
    release
        .vendor
        .run(&["add", &release.vendor.image("hello", "2.0")])
        .ends(0);
    let list = String::from_utf8(release.vendor.read("public/images/SHA256SUMS")).unwrap();
    assert!(
        list.contains("hello_2.0_") && !list.contains("hello_1.0_"),
        "{list}"
    );
}

#[test]
fn images_url_is_told_to_hosts_and_verify_of_a_url_looks_there() {
    let vendor = Vendor::with_catalog();
    let images = FaultServer::empty();
    let folder = format!("images-url = \"{}\"", images.url("mirror"));
    vendor.edit("sysext-publish.toml", "images-url = \"\"", &folder);
    vendor.run(&["add", &vendor.image("hello", "1.0")]).ends(0);
    let catalog = String::from_utf8(vendor.read("public/catalog.toml")).unwrap();
    assert!(catalog.contains(&folder), "{catalog}");
    let server = FaultServer::empty();
    let mut files = vendor.published();
    files.retain(|name, _| !name.starts_with("images/"));
    server.put_all(files);
    let verify = || vendor.run(&["verify", &server.url("")]);
    verify()
        .ends(4)
        .prints("mirror/hello_1.0_noarch.raw is not there");
    for (name, bytes) in vendor.files("public/images") {
        images.put(&format!("mirror/{name}"), bytes);
    }
    verify().ends(0);
    // What the vendor's own machine wrote is checked where it was written.
    vendor.run(&["verify"]).ends(0);
    vendor.edit(
        "sysext-publish.toml",
        "images-url = \"http://127",
        "images-url = \"http://10.127",
    );
    vendor
        .run(&["status"])
        .ends(2)
        .says(&["images-url", "https://"]);
}
