//! What is planned for a module, without any kernel.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod common;

use std::collections::HashSet;

use common::{steps, world};
use modfile::ModuleName;
use modload::plan::{self, PlanNote, Role, UnloadOptions, UnloadPlan};
use proptest::prelude::*;

#[test]
fn dependencies_come_in_the_order_of_loading() {
    let world = world(&["a: b c", "b: c", "c:"], "", &[], "");
    assert_eq!(steps(&world.plan("a", "")), ["c", "b", "a"]);
    let roles: Vec<Role> = world.plan("a", "").steps.iter().map(|step| step.role).collect();
    assert_eq!(roles, [Role::Required, Role::Required, Role::Target]);
}

#[test]
fn softdeps_stand_around_their_module_and_around_its_dependencies() {
    let config = "softdep a pre: p1 p2 post: q\nsoftdep c post: x\n";
    let world = world(&["a: c", "c:", "p1:", "p2:", "q:", "x:"], "", &[], config);
    let plan = world.plan("a", "");
    assert_eq!(steps(&plan), ["c", "x", "p1", "p2", "a", "q"]);
    let wished: Vec<bool> = plan.steps.iter().map(|step| step.role == Role::Wished).collect();
    assert_eq!(wished, [false, true, true, true, false, true]);
}

#[test]
fn a_circle_of_softdeps_ends() {
    let world = world(&["a:", "b:", "c:"], "", &[], "softdep a pre: b\nsoftdep b pre: c\nsoftdep c pre: a\n");
    assert_eq!(steps(&world.plan("a", "")), ["c", "b", "a"]);
}

#[test]
fn a_dependency_that_is_a_softdep_too_is_planned_twice_as_by_kmod() {
    let world = world(&["a: b", "b:"], "", &[], "softdep a pre: b\n");
    assert_eq!(steps(&world.plan("a", "")), ["b", "b", "a"]);
}

#[test]
fn an_install_command_stands_for_its_module_with_softdeps_around_it() {
    let config = "install a run a\ninstall b run b\nsoftdep b pre: c\nsoftdep a pre: unknown\n";
    let world = world(&["a:", "b:", "c:"], "", &[], config);
    assert_eq!(steps(&world.plan("a", "")), ["a [run a]"]);
    assert_eq!(steps(&world.plan("b", "")), ["c", "b [run b]"]);
}

#[test]
fn all_softdep_lines_of_a_module_add_up_and_name_each_module_once() {
    let config = "softdep a pre: p post: q\nsoftdep a* pre: p r\nsoftdep a post: s\n";
    let world = world(&["a:", "p:", "q:", "r:", "s:"], "", &[], config);
    assert_eq!(steps(&world.plan("a", "")), ["p", "r", "a", "q", "s"]);
}

/// Each module needs all later ones and has all of them as softdeps, too: what is worked out anew for each mention
/// takes time with the sixth power of their number.
#[test]
fn many_modules_that_all_want_each_other_are_planned_at_once() {
    let names: Vec<String> = (0..150).map(|number| format!("m{number}")).collect();
    let dep: Vec<String> =
        (0..150).map(|at| format!("{}: {}", names[at], names[at + 1..].join(" "))).collect();
    let dep: Vec<&str> = dep.iter().map(String::as_str).collect();
    let world = world(&dep, "", &[], &format!("softdep * pre: {}\n", names.join(" ")));
    let plan = world.plan("m0", "");
    let distinct: HashSet<&ModuleName> = plan.steps.iter().map(|step| &step.module).collect();
    assert_eq!(distinct.len(), 150);
    assert!(plan.steps.len() <= 10_150, "{}", plan.steps.len());
    assert_eq!(plan.steps.last().map(|step| step.role), Some(Role::Target));
    let options = UnloadOptions { ignore_commands: false, holders: None };
    let mut notes = Vec::new();
    plan::unload(&world.db, &world.entry("m0"), &options, &mut notes);
    assert!(notes.iter().any(|note| matches!(note, PlanNote::TooDeep(_))));
}

#[test]
fn a_dependency_of_its_own_softdep_keeps_its_place() {
    // x comes in before a and needs it: a's other softdep then comes before x, as in kmod.
    let world = world(&["a:", "x: a", "y:"], "", &[], "softdep a pre: x y\n");
    assert_eq!(steps(&world.plan("a", "")), ["y", "a", "x", "a"]);
}

#[test]
fn what_is_forbidden_ends_a_load_and_leaves_out_a_softdep_with_all_it_brings() {
    let config = "softdep a pre: p q\ninstall c run c\nalias al c\n";
    let dep = ["a: b", "b:", "c:", "p: r", "q:", "r:"];
    let forbidden = |plan: &plan::LoadPlan| -> Vec<(String, Role)> {
        plan.forbidden.iter().map(|one| (one.module.to_string(), one.role)).collect()
    };
    let plan = world(&dep, "", &[], config).with_rules("forbid b\nforbid c\n");
    assert_eq!(forbidden(&plan.plan("a", "")), [("b".into(), Role::Required)]);
    assert_eq!(forbidden(&plan.plan("al", "")), [("c".into(), Role::Target)]);
    assert_eq!(forbidden(&plan.plan("q", "")), []);
    let soft = world(&dep, "", &[], config).with_rules("forbid r : slow\n");
    let plan = soft.plan("a", "");
    assert_eq!(forbidden(&plan), [("r".into(), Role::Wished)]);
    assert_eq!(steps(&plan), ["b", "q", "a"]);
    let builtin = world(&["a:"], "", &["b"], "softdep a pre: b\n").with_rules("forbid b\n");
    assert_eq!(forbidden(&builtin.plan("a", "")), []);
}

#[test]
fn ignoring_commands_concerns_the_named_module_only() {
    let config = "install a run a\ninstall b run b\nsoftdep a pre: c\n";
    let world = world(&["a: b", "b:", "c:"], "", &[], config);
    assert_eq!(steps(&world.plan_with("a", "", true)), ["b [run b]", "a"]);
}

#[test]
fn options_come_from_name_and_alias_and_parameters_follow_them() {
    let config = "options a x=1\noptions al y=2\noptions b z=3\n";
    let world = world(&["a: b", "b:"], "alias al a\n", &[], config);
    let params = |plan: plan::LoadPlan| -> Vec<String> {
        plan.steps.iter().map(|step| String::from_utf8(step.params.clone()).unwrap()).collect()
    };
    assert_eq!(params(world.plan("al", "p=4")), ["z=3 ", "x=1 y=2 p=4"]);
    assert_eq!(params(world.plan("a", "")), ["z=3 ", "x=1 "]);
    assert_eq!(params(world.plan("b", "p")), ["z=3 p"]);
}

#[test]
fn what_is_built_in_and_what_is_only_a_name_are_said_to_be_so() {
    let world = world(&["a:"], "", &["unix"], "alias nothing off\nalias u unix\nsoftdep a pre: unix\n");
    assert_eq!(steps(&world.plan("u", "")), ["unix [builtin]"]);
    assert_eq!(steps(&world.plan("nothing", "")), ["off [nothing]"]);
    assert_eq!(steps(&world.plan("a", "")), ["unix [builtin]", "a"]);
}

#[test]
fn a_missing_dependency_file_drops_all_dependencies_and_is_told() {
    let world = world(&["a: b c", "b:", "c:"], "", &[], "");
    std::fs::remove_file(world.path("c.ko")).unwrap();
    let plan = world.plan("a", "");
    assert_eq!(steps(&plan), ["a"]);
    assert!(
        matches!(&plan.notes[..], [PlanNote::MissingDependency(missing)] if missing.path.ends_with("c.ko"))
    );
}

#[test]
fn softdeps_nested_without_end_are_cut_and_told() {
    let names: Vec<String> = (0..400).map(|number| format!("m{number}:")).collect();
    let config: String = (0..399).map(|number| format!("softdep m{number} pre: m{}\n", number + 1)).collect();
    let lines: Vec<&str> = names.iter().map(String::as_str).collect();
    let plan = world(&lines, "", &[], &config).plan("m0", "");
    assert_eq!(plan.notes, [PlanNote::TooDeep("m256".into())]);
    assert_eq!(plan.steps.len(), 257);
}

fn removal(world: &common::World, name: &str, options: &UnloadOptions<'_>) -> UnloadPlan {
    plan::unload(&world.db, &world.entry(name), options, &mut Vec::new())
}

fn names(removals: &[UnloadPlan]) -> Vec<String> {
    removals.iter().map(|removal| removal.module.to_text().into_owned()).collect()
}

const PLAIN: UnloadOptions<'static> = UnloadOptions { ignore_commands: false, holders: None };

#[test]
fn an_unloading_reverses_the_softdeps_and_keeps_the_order_of_dependencies() {
    let world = world(
        &["a: b c", "b: c", "c:", "p1:", "p2:", "q1:", "q2:"],
        "",
        &[],
        "softdep a pre: p1 p2 post: q1 q2\n",
    );
    let plan = removal(&world, "a", &PLAIN);
    assert_eq!(names(&plan.after), ["q2", "q1"]);
    assert_eq!(names(&plan.before), ["p2", "p1"]);
    assert_eq!(plan.dependencies, [ModuleName::from("c"), ModuleName::from("b")]);
    let ignoring = removal(&world, "a", &UnloadOptions { ignore_commands: true, holders: None });
    assert_eq!((ignoring.after.len(), ignoring.before.len()), (0, 0));
}

#[test]
fn a_remove_command_leaves_the_dependencies_to_itself() {
    let world = world(&["a: b", "b:"], "", &[], "remove a* run\n");
    let plan = removal(&world, "a", &PLAIN);
    assert_eq!(plan.command.map(|(line, _)| line), Some(b"run".to_vec()));
    assert_eq!(plan.dependencies, []);
}

#[test]
fn holders_go_first_with_their_own_and_circles_end() {
    let world = world(&["a:", "b: a", "c: b a"], "", &[], "softdep a post: b\nsoftdep b post: a\n");
    let holders = |module: &ModuleName| match module.as_bytes() {
        b"a" => vec!["b".into(), "c".into()],
        b"b" => vec!["c".into(), "a".into()],
        _ => Vec::new(),
    };
    let plan = removal(&world, "a", &UnloadOptions { ignore_commands: false, holders: Some(&holders) });
    assert_eq!(names(&plan.holders), ["c", "b"]);
    assert_eq!(names(&plan.holders[1].holders), ["c"]);
    assert_eq!(names(&plan.after), ["b"]);
    assert_eq!(names(&plan.after[0].after), [""; 0]);
}

/// Who, whom, and whether before.
type Softdeps = Vec<(usize, usize, bool)>;

/// Worlds of up to eight modules: each needs some of those with a higher number, softdeps are anything.
fn any_world() -> impl Strategy<Value = (Vec<Vec<usize>>, Softdeps)> {
    let needs = proptest::collection::vec(any::<u8>(), 1..8).prop_map(|masks| {
        let count = masks.len();
        let mut closures: Vec<Vec<usize>> = vec![Vec::new(); count];
        for module in (0..count).rev() {
            let mut closure: Vec<usize> = Vec::new();
            for need in (module + 1..count).filter(|need| masks[module] >> need & 1 == 1) {
                closure.push(need);
                closure.extend(closures[need].clone());
            }
            closure.sort_unstable();
            closure.dedup();
            closures[module] = closure;
        }
        closures
    });
    let softdeps = proptest::collection::vec((0..8usize, 0..8usize, any::<bool>()), 0..10);
    (needs, softdeps)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn dependencies_stand_before_dependents_and_only_they_may_stand_twice(
        (needs, softdeps) in any_world(),
    ) {
        let lines: Vec<String> = needs
            .iter()
            .enumerate()
            .map(|(module, needs)| {
                let needs: String = needs.iter().map(|need| format!(" m{need}")).collect();
                format!("m{module}:{needs}")
            })
            .collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let config: String = softdeps
            .iter()
            .map(|(module, other, before)| {
                format!("softdep m{module} {}: m{other}\n", if *before { "pre" } else { "post" })
            })
            .collect();
        let world = world(&lines, "", &[], &config);
        let plan = world.plan("m0", "");
        let mut seen: HashSet<&ModuleName> = HashSet::new();
        let is_dependency = |name: &ModuleName| {
            needs.iter().flatten().any(|need| format!("m{need}").as_bytes() == name.as_bytes())
        };
        for step in &plan.steps {
            let number: usize = step.module.to_text()[1..].parse().unwrap();
            for need in &needs[number] {
                prop_assert!(seen.contains(&ModuleName::from(format!("m{need}").as_str())), "{:?}", steps(&plan));
            }
            // compat: a module stands twice only as somebody's dependency (case modprobe/softdep-on-dependency).
            prop_assert!(seen.insert(&step.module) || is_dependency(&step.module), "{:?}", steps(&plan));
        }
        prop_assert_eq!(plan.steps.iter().filter(|step| step.role == Role::Target).count(), 1);
    }

    #[test]
    fn an_unloading_is_finite_and_never_below_itself((needs, softdeps) in any_world()) {
        fn check(removal: &UnloadPlan, above: &mut Vec<ModuleName>) -> Result<(), TestCaseError> {
            prop_assert!(!above.contains(&removal.module));
            above.push(removal.module.clone());
            for other in removal.after.iter().chain(&removal.holders).chain(&removal.before) {
                check(other, above)?;
            }
            above.pop();
            Ok(())
        }
        let lines: Vec<String> = (0..needs.len()).map(|module| format!("m{module}:")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let config: String = softdeps
            .iter()
            .map(|(module, other, _)| format!("softdep m{module} post: m{other} pre: m{other}\n"))
            .collect();
        let world = world(&lines, "", &[], &config);
        let holders = |module: &ModuleName| -> Vec<ModuleName> {
            let number: usize = module.to_text()[1..].parse().unwrap();
            needs.get(number).into_iter().flatten().map(|n| ModuleName::from(format!("m{n}").as_str())).collect()
        };
        let options = UnloadOptions { ignore_commands: false, holders: Some(&holders) };
        check(&removal(&world, "m0", &options), &mut Vec::new())?;
    }
}
