//! Several publishers at once.

use crate::common::Vendor;

#[test]
fn two_that_publish_at_once_both_get_through_twenty_times() {
    let vendor = Vendor::with_catalog();
    let mut expected = Vec::new();
    for round in 0..20 {
        let names = [format!("{round}.1"), format!("{round}.2")];
        let images = names.map(|version| vendor.image("hello", &version));
        let children = images.each_ref().map(|image| {
            let mut command = vendor.command(&["--quiet", "add", "--zstd-level", "1", image]);
            command
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped());
            command.spawn().unwrap()
        });
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        expected.extend(
            images
                .iter()
                .map(|path| path.rsplit('/').next().unwrap().to_owned()),
        );
    }
    expected.sort();
    assert_eq!(vendor.images("hello"), expected);
    vendor.run(&["verify", "--all"]).ends(0);
    let left = vendor
        .published()
        .into_keys()
        .filter(|name| name.contains(".tmp-"))
        .count();
    assert_eq!(left, 0, "nothing temporary is left");
}

#[test]
fn two_with_other_bytes_of_one_name_do_not_both_win() {
    let (vendor, spec) = (
        Vendor::with_catalog(),
        test_repos::image::ImageSpec::new("hello"),
    );
    let images = [1, 2].map(|seed| {
        vendor.image_of(
            &spec.clone().padding(300_000, seed),
            &format!("{seed}/hello_1_noarch.raw"),
        )
    });
    let children = images
        .each_ref()
        .map(|image| vendor.command(&["-q", "add", image]).spawn().unwrap());
    let mut codes = children.map(|mut child| child.wait().unwrap().code().unwrap());
    codes.sort_unstable();
    assert_eq!(codes, [0, 3]);
    vendor.run(&["verify", "--all"]).ends(0);
}
