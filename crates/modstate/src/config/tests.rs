use proptest::prelude::*;

use super::*;

fn config(text: &str) -> (ModutilsConfig, Vec<String>) {
    let mut config = ModutilsConfig::default();
    let problems = config.add(Path::new("a.conf"), text.as_bytes());
    (config, problems.iter().map(Problem::to_string).collect())
}

#[test]
fn each_directive_is_understood() {
    let (config, problems) = config(
        "# a comment\n  # another\n\nkeep dm-* loop\nautoclean char-major-10-[0-9]*\ninterval 90\n\
         log-requests\npersist nf-conntrack\npersist nf* sysctl net/netfilter/nf_conntrack_*\n\
         persist loop parameters max_*\r\n",
    );
    assert_eq!(problems, [""; 0]);
    assert!(config.keeps(&"dm_mod".into()) && config.keeps(&"loop".into()));
    assert!(!config.keeps(&"loopy".into()));
    assert!(config.trusts(b"char_major_10_200") && !config.trusts(b"char_major_10_x"));
    assert_eq!(config.interval(), 90);
    assert!(config.logs_requests());
    assert!(config.persists_anything());
    let nf = ModuleName::from("nf_conntrack");
    let what: Vec<_> = config.persist(&nf).collect();
    let sysctl = What::Sysctl(vec![b"net/netfilter/nf_conntrack_*".to_vec()]);
    assert_eq!(what, [&What::AllParameters, &sysctl]);
    assert_eq!(config.persist(&"ext4".into()).count(), 0);
}

#[test]
fn without_lines_nothing_is_kept_trusted_or_saved() {
    let (config, _) = config("");
    assert!(!config.keeps(&"a".into()) && !config.trusts(b"a") && !config.persists_anything());
    assert!(!config.logs_requests());
    assert_eq!(config.interval(), 60);
}

#[test]
fn a_wrong_line_is_named_and_the_others_count() {
    for (line, reason) in [
        ("kep a", "ignoring bad line starting with 'kep'"),
        ("keep", "'keep' needs a pattern of module names"),
        ("keep a[", "unmatched bracket in 'a['"),
        ("autoclean", "'autoclean' needs a pattern of aliases"),
        ("interval", "'interval' needs a number of seconds"),
        ("interval 1.5", "'1.5' is no number of seconds"),
        ("interval -1", "'-1' is no number of seconds"),
        ("interval 99999999999999999999", "'99999999999999999999' is no number of seconds"),
        ("interval 1 2", "'interval' takes no more words"),
        ("log-requests yes", "'log-requests' takes no more words"),
        ("persist", "'persist' needs a pattern of module names"),
        ("persist a files x", "'files' is neither 'parameters' nor 'sysctl'"),
        ("persist a parameters", "'parameters' needs a pattern of parameter names"),
        ("persist a sysctl", "'sysctl' needs a path below /proc/sys"),
        ("persist a sysctl /proc/sys/x", "'/proc/sys/x' is no path below /proc/sys"),
        ("forbid", "'forbid' needs a pattern of module names"),
        ("forbid : no", "'forbid' needs a pattern of module names"),
        ("forbid a b", "a reason for 'forbid' stands behind ' : '"),
        ("forbid a[ : x", "unmatched bracket in 'a['"),
        ("deny-request", "'deny-request' needs a pattern of requested names"),
        ("allow-request a[", "unmatched bracket in 'a['"),
        ("persist a sysctl net/../x", "'net/../x' is no path below /proc/sys"),
    ] {
        let (config, problems) = config(&format!("{line}\nkeep z\n"));
        assert_eq!(problems, [format!("line 1: {reason}")], "{line}");
        assert!(config.keeps(&"z".into()));
    }
}

#[test]
fn a_forbidden_module_is_known_by_line_and_reason() {
    let text = "forbid fat : no  removable media\t\n  forbid  dvb-*\nforbid x :\n";
    let (config, problems) = config(text);
    assert_eq!(problems, [""; 0]);
    let found = |module: &str| {
        let line = config.rules().forbidden(&module.into())?;
        let reason = line.reason.as_ref().map(|reason| String::from_utf8(reason.clone()).unwrap());
        Some((line.line.to_string(), reason))
    };
    assert_eq!(found("fat"), Some(("a.conf line 1".into(), Some("no  removable media".into()))));
    assert_eq!(found("dvb_core"), Some(("a.conf line 2".into(), None)));
    assert_eq!(found("x"), Some(("a.conf line 3".into(), None)));
    assert_eq!(found("vfat"), None);
}

#[test]
fn a_denied_request_may_be_an_exception_wherever_it_stands() {
    let (config, _) = config("allow-request net-pf-1 net-pf-2\ndeny-request net-pf-* algif-*\n");
    let denied = |name: &[u8]| config.rules().denied(name).map(ToString::to_string);
    assert_eq!(denied(b"net_pf_38").as_deref(), Some("a.conf line 2"));
    assert_eq!(denied(b"algif_hash").as_deref(), Some("a.conf line 2"));
    assert_eq!(denied(b"net_pf_2"), None);
    assert_eq!(denied(b"fs_ext4"), None);
}

#[test]
fn the_examples_that_are_shipped_are_understood() {
    let rare = include_str!("../../../../packaging/modutils.d/rare-requests.conf");
    let (rare, problems) = config(rare);
    assert_eq!(problems, [""; 0]);
    for name in ["net_pf_38", "net_pf_3", "net_pf_2_proto_132_type_1", "net_pf_10_proto_33_type_6", "fs_hfs"]
    {
        assert!(rare.rules().denied(name.as_bytes()).is_some(), "{name}");
    }
    // What every machine needs stays: IPv4 and IPv6, netlink, packets, the usual file systems.
    for name in
        ["net_pf_2", "net_pf_10", "net_pf_1", "net_pf_16_proto_12", "net_pf_17", "fs_ext4", "fs_hfsplus"]
    {
        assert!(rare.rules().denied(name.as_bytes()).is_none(), "{name}");
    }
    let (_, problems) = config(include_str!("../../../../packaging/modutils.d/local.conf"));
    assert_eq!(problems, [""; 0]);
}

#[test]
fn a_wrong_line_that_was_to_close_something_is_known_as_such() {
    let problems =
        ModutilsConfig::default().add(Path::new("a.conf"), b"forbid\ndeny-request\nallow-request\nkeep\n");
    let closing = problems.iter().map(|problem| problem.directive == Directive::Closing);
    assert_eq!(closing.collect::<Vec<_>>(), [true, true, false, false]);
}

#[test]
fn the_last_interval_counts_and_files_add_up() {
    let mut config = ModutilsConfig::default();
    config.add(Path::new("a.conf"), b"interval 10\nkeep a\n");
    config.add(Path::new("a.conf"), b"interval 20\nkeep b\n");
    assert_eq!(config.interval(), 20);
    assert!(config.keeps(&"a".into()) && config.keeps(&"b".into()));
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        ModutilsConfig::default().add(Path::new("a.conf"), &text);
    }
}
