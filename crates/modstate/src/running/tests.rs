use std::cell::Cell;
use std::fs;

use super::*;
use crate::clock::PauseClock;

struct World {
    root: tempfile::TempDir,
    places: Places,
    clock: PauseClock,
}

fn world() -> World {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("run")).unwrap();
    let places = Places::below(root.path(), rustix::process::geteuid().as_raw());
    World { root, places, clock: PauseClock(Cell::new(1000)) }
}

impl World {
    fn take(&self, subject: Subject<'_>, nested: &dyn Fn(u32) -> Option<Nested>) -> Taken {
        let until = BootTime(self.clock.0.get() + 3000);
        Waiting { places: &self.places, clock: &self.clock, until, nested }.take(subject).unwrap()
    }

    fn turn(&self, subject: Subject<'_>) -> Turn {
        match self.take(subject, &|_| None) {
            Taken::Ours(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path().join("run/modutils/scripts")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| !name.starts_with("place-"));
        names.sort();
        names
    }
}

#[test]
fn one_process_at_a_time_runs_commands_about_a_module_and_waiting_ends() {
    let world = world();
    let module = ModuleName::from("m");
    let turn = world.turn(Subject::Module(&module));
    assert!(matches!(world.take(Subject::Module(&module), &|_| None), Taken::TooLate));
    assert!((4000..4030).contains(&world.clock.0.get()));
    world.turn(Subject::Module(&"other".into())).end(BootTime(1), true);
    assert_eq!(world.files(), ["module-m"]);
    turn.end(BootTime(5000), true);
    assert_eq!(world.files(), [""; 0]);
    assert_eq!(world.clock.0.get(), 4010);
}

#[test]
fn who_would_wait_for_itself_is_told_so_at_once() {
    let world = world();
    let module = ModuleName::from("m");
    let turn = world.turn(Subject::Module(&module));
    turn.note(42);
    let nested = |group| (group == 42).then_some(Nested::Asked);
    assert!(matches!(world.take(Subject::Module(&module), &nested), Taken::Nested(Nested::Asked)));
    assert_eq!(world.clock.0.get(), 1000);
    turn.note(7);
    assert!(matches!(world.take(Subject::Module(&module), &nested), Taken::TooLate));
}

#[test]
fn who_waits_for_others_looks_only_twice_at_each_of_their_commands() {
    let world = world();
    let module = ModuleName::from("m");
    let turn = world.turn(Subject::Module(&module));
    turn.note(42);
    let looked = std::cell::RefCell::new(Vec::new());
    let nested = |group| {
        looked.borrow_mut().push(group);
        if looked.borrow().len() == 2 {
            turn.note(43);
        }
        None
    };
    assert!(matches!(world.take(Subject::Module(&module), &nested), Taken::TooLate));
    assert_eq!(looked.into_inner(), [42, 42, 43, 43]);
}

#[test]
fn the_same_request_shares_the_result_of_the_run_that_ended_while_it_waited() {
    let world = world();
    let name = Subject::Request(OsStr::new("net-pf-28"));
    for success in [true, false] {
        // The other one ends while this one looks.
        let held = Cell::new(Some(world.turn(name)));
        let turn = held.take().unwrap();
        turn.note(42);
        held.set(Some(turn));
        let nested = |_| {
            held.take().unwrap().end(world.clock.since_boot(), success);
            None
        };
        match world.take(name, &nested) {
            Taken::Shared(shared) => assert_eq!(shared, success),
            other => panic!("{other:?}"),
        }
        // Whoever comes later has the command run again.
        world.clock.pause(Duration::from_millis(1));
        world.turn(name).end(world.clock.since_boot(), true);
        world.clock.pause(Duration::from_millis(1));
    }
    assert_eq!(world.files(), [""; 0]);
}

#[test]
fn only_four_requests_have_their_commands_run_at_a_time() {
    let world = world();
    let names = ["a", "b", "c", "d"].map(OsStr::new);
    let turns: Vec<_> = names.iter().map(|name| world.turn(Subject::Request(name))).collect();
    assert!(matches!(world.take(Subject::Request(OsStr::new("e")), &|_| None), Taken::TooLate));
    // Modules have places of their own.
    world.turn(Subject::Module(&"m".into())).end(BootTime(0), true);
    drop(turns);
    world.turn(Subject::Request(OsStr::new("e"))).end(BootTime(0), true);
}

#[test]
fn a_process_that_was_killed_leaves_nothing_that_counts() {
    let world = world();
    let name = Subject::Request(OsStr::new("x"));
    let turn = world.turn(name);
    turn.note(42);
    drop(turn);
    assert_eq!(world.files(), ["request-x"]);
    world.turn(name).end(BootTime(0), true);
    assert_eq!(world.files(), [""; 0]);
}

#[test]
fn no_name_leaves_the_directory() {
    for (name, expected) in [
        ("../../etc/x", Some("request-%2e%2e%2f%2e%2e%2fetc%2fx")),
        ("net-pf-28", Some("request-net-pf-28")),
        ("a\n%", Some("request-a%0a%25")),
        (&*"/".repeat(100), None),
    ] {
        let name = file_name(Subject::Request(OsStr::new(name)));
        assert_eq!(name.as_deref(), expected.map(OsStr::new));
    }
}

#[test]
fn a_directory_that_others_can_write_is_not_used() {
    use std::os::unix::fs::PermissionsExt;
    let world = world();
    drop(world.turn(Subject::Module(&"m".into())));
    let directory = world.root.path().join("run/modutils/scripts");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).unwrap();
    let waiting =
        Waiting { places: &world.places, clock: &world.clock, until: BootTime(0), nested: &|_| None };
    assert!(waiting.take(Subject::Module(&"m".into())).is_err());
}
