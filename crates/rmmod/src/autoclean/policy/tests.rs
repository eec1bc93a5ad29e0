use super::*;

/// Everything known of a module beforehand.
#[derive(Clone)]
struct Known {
    standing: Option<Standing>,
    request: &'static str,
    mark: Option<Mark>,
    loaded: &'static str,
    since_request: u64,
    wanted: Option<Wanted>,
    aliases: Option<Vec<Vec<u8>>>,
    signs: Vec<Sign>,
}

impl Facts for Known {
    fn standing(&self) -> Option<&Standing> {
        self.standing.as_ref()
    }

    fn request(&self) -> &[u8] {
        self.request.as_bytes()
    }

    fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    fn is_loaded(&self, module: &ModuleName) -> bool {
        module == &self.loaded.into()
    }

    fn since_request(&self) -> u64 {
        self.since_request
    }

    fn wanted(&self) -> Option<Wanted> {
        self.wanted
    }

    fn aliases(&self) -> Option<&[Vec<u8>]> {
        self.aliases.as_deref()
    }

    fn sign(&self, counts: &dyn Fn(&Sign) -> bool) -> Option<Sign> {
        self.signs.iter().find(|sign| counts(sign)).cloned()
    }
}

fn idle() -> Known {
    Known {
        standing: Some(Standing {
            state: ModuleState::Live,
            use_count: Some(0),
            holders: Vec::new(),
            permanent: false,
        }),
        request: "fs-m",
        mark: None,
        loaded: "",
        since_request: 10_000,
        wanted: None,
        aliases: Some(vec![b"fs-m".to_vec()]),
        signs: Vec::new(),
    }
}

/// A change that makes an idle module stay.
type Change = fn(&mut Known);

fn standing(known: &mut Known) -> &mut Standing {
    known.standing.as_mut().unwrap()
}

/// For each rule, in the order of [`RULES`], what makes it and no other fire.
fn reasons() -> [(Change, Reason); RULES.len()] {
    [
        (|known| standing(known).state = ModuleState::Coming, Reason::NotLive),
        (|known| standing(known).permanent = true, Reason::Permanent),
        (|known| standing(known).holders = vec!["a".into()], Reason::HeldBy(vec!["a".into()])),
        (|known| standing(known).use_count = Some(2), Reason::Counted(2)),
        (|known| known.request = "bridge", Reason::Untrusted(b"bridge".to_vec())),
        (|known| known.mark = Some(Mark::Alias(b"pci:v1".to_vec())), Reason::Untrusted(b"pci:v1".to_vec())),
        (
            |known| {
                (known.request, known.loaded) = ("crypto-m", "crypto_user");
            },
            Reason::MayBeConfigured("crypto_user"),
        ),
        (|known| known.since_request = 9_999, Reason::AskedFor(9_999)),
        (|known| known.wanted = Some(Wanted::Kept), Reason::Wanted(Wanted::Kept)),
        (|known| known.aliases = None, Reason::UnknownAliases),
        (
            |known| known.aliases = Some(vec![b"fs-m".to_vec(), b"usb:v1".to_vec()]),
            Reason::Untrusted(b"usb:v1".to_vec()),
        ),
        (|known| known.signs = vec![Sign::OutOfTree], Reason::Sign(Sign::OutOfTree)),
    ]
}

#[test]
fn a_module_that_nothing_keeps_is_idle() {
    assert_eq!(reason_to_stay(&idle(), &ModutilsConfig::default()), None);
}

#[test]
fn every_rule_keeps_a_module_that_no_other_rule_would_keep() {
    for (number, (change, reason)) in reasons().into_iter().enumerate() {
        let mut known = idle();
        change(&mut known);
        let config = ModutilsConfig::default();
        assert_eq!(judge(&known, &config, BootTime(0)), Verdict::Stays(reason.clone()));
        let mut others = RULES.to_vec();
        let rule = others.remove(number);
        // Another rule about the request's alias sees the same one in the file.
        let kept_by_others = first_of(&others, &known, &config);
        assert!(kept_by_others.is_none() || known.request == "bridge", "{reason:?}: {kept_by_others:?}");
        assert_eq!(rule(&known, &config), Some(reason));
    }
}

#[test]
fn of_two_reasons_the_one_whose_rule_stands_first_is_given() {
    let reasons = reasons();
    for (first, (change, reason)) in reasons.iter().enumerate() {
        for (later, _) in reasons.iter().skip(first + 1) {
            let mut known = idle();
            later(&mut known);
            change(&mut known);
            assert_eq!(reason_to_stay(&known, &ModutilsConfig::default()).as_ref(), Some(reason));
        }
    }
}

#[test]
fn each_way_of_being_wanted_and_of_not_being_live_or_counted_keeps() {
    for wanted in [Wanted::Pinned, Wanted::PinUnreadable, Wanted::Kept, Wanted::LoadedAtBoot] {
        let known = Known { wanted: Some(wanted), ..idle() };
        assert_eq!(reason_to_stay(&known, &ModutilsConfig::default()), Some(Reason::Wanted(wanted)));
    }
    for state in [ModuleState::Coming, ModuleState::Going, ModuleState::Absent] {
        let mut known = idle();
        standing(&mut known).state = state;
        assert_eq!(reason_to_stay(&known, &ModutilsConfig::default()), Some(Reason::NotLive));
    }
    let known = Known { standing: None, ..idle() };
    assert_eq!(reason_to_stay(&known, &ModutilsConfig::default()), Some(Reason::NotLive));
    let mut known = idle();
    standing(&mut known).use_count = None;
    assert_eq!(reason_to_stay(&known, &ModutilsConfig::default()), Some(Reason::NotCounted));
}

#[test]
fn an_autoclean_line_is_meant_for_modules_from_outside_the_tree_as_well() {
    let mut config = ModutilsConfig::default();
    config.add(std::path::Path::new("a.conf"), b"autoclean mine-*\n");
    let known = Known {
        request: "mine-1",
        aliases: Some(vec![b"mine-1".to_vec()]),
        signs: vec![Sign::OutOfTree, Sign::Device(b"x".to_vec())],
        ..idle()
    };
    assert_eq!(reason_to_stay(&known, &config), Some(Reason::Sign(Sign::Device(b"x".to_vec()))));
    let known = Known { signs: vec![Sign::OutOfTree], ..known };
    assert_eq!(reason_to_stay(&known, &config), None);
    // A class that is trusted anyway is not the administrator's word.
    let known = Known { request: "fs-m", ..known };
    assert_eq!(reason_to_stay(&known, &config), Some(Reason::Sign(Sign::OutOfTree)));
}

#[test]
fn an_alias_found_by_an_earlier_pass_keeps_until_a_line_names_it() {
    let mut config = ModutilsConfig::default();
    config.add(std::path::Path::new("a.conf"), b"autoclean pci:*\n");
    let known = Known { mark: Some(Mark::Alias(b"pci:v1".to_vec())), ..idle() };
    assert_eq!(reason_to_stay(&known, &config), None);
}

#[test]
fn an_idle_module_goes_at_the_first_pass_an_interval_after_its_mark() {
    let now = BootTime(100_000);
    for (since, verdict) in [
        (None, Verdict::Mark),
        (Some(100_000), Verdict::Waits { idle: 0, left: 60_000 }),
        (Some(40_001), Verdict::Waits { idle: 59_999, left: 1 }),
        (Some(40_000), Verdict::Goes { idle: 60_000 }),
        (Some(0), Verdict::Goes { idle: 100_000 }),
        (Some(100_001), Verdict::Mark),
    ] {
        let mark = since.map(|since| Mark::Idle { since: BootTime(since), aliases: Vec::new() });
        assert_eq!(judge(&Known { mark, ..idle() }, &ModutilsConfig::default(), now), verdict, "{since:?}");
    }
}

#[test]
fn without_an_interval_the_second_pass_unloads_and_not_the_first() {
    let mut config = ModutilsConfig::default();
    config.add(std::path::Path::new("a.conf"), b"interval 0\n");
    assert_eq!(judge(&idle(), &config, BootTime(5)), Verdict::Mark);
    let mark = Some(Mark::Idle { since: BootTime(5), aliases: Vec::new() });
    let known = Known { mark, ..idle() };
    assert_eq!(judge(&known, &config, BootTime(5)), Verdict::Goes { idle: 0 });
}
