//! Several publishers at once.

use crate::common::Vendor;

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
