//! Compiles a system call policy into one classic BPF program for seccomp(2).
//!
//! A linear chain makes the kernel walk the whole program once for every system call number when it
//! builds its cache of constant answers, and that is most of the cost of installing a filter. Here
//! the allowed numbers become sorted ranges in a balanced tree: about seven comparisons a call.

use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W,
};
use seccompiler::sock_filter;

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes through.
    Allow,
    /// It fails with this errno.
    Errno(u16),
}

/// What happens to one system call number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Whatever its arguments are.
    Always(Verdict),
    /// The first test that holds decides, else the last verdict.
    Tests(Vec<Test>, Verdict),
    /// One rule if the low 32 bits of an argument are this value, else the other.
    Split {
        /// Which argument, from 0.
        argument: u8,
        /// The value.
        equals: u32,
        /// Where it is.
        then: Box<Rule>,
        /// Where it is not.
        otherwise: Box<Rule>,
    },
}

/// A condition on the low 32 bits of one argument. The kernel reads these arguments as `int`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Test {
    /// Which argument, from 0.
    pub argument: u8,
    /// Bits to look at.
    pub mask: u32,
    /// The masked value that the test is for.
    pub is: Match,
    /// The verdict when it holds.
    pub then: Verdict,
}

/// What a masked argument is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// Any of these.
    AnyOf(Vec<u32>),
    /// None of these.
    NoneOf(Vec<u32>),
    /// At least one of the masked bits is set.
    AnyBit,
}

/// A program cannot be made of these rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Two rules for one call.
    #[error("system call {0} has two rules")]
    Duplicate(u32),
    /// A jump is longer than a BPF instruction can say.
    #[error("the filter is too large")]
    TooLarge,
}

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;
/// Calls of the x32 ABI have this bit and would otherwise pass as unknown numbers.
const X32_BIT: u32 = 0x4000_0000;

/// Compiles `rules`; every other number gets `otherwise`. Calls of another architecture than
/// `audit_arch` (`AUDIT_ARCH_*`, linux/audit.h) kill the process.
pub fn compile(
    mut rules: Vec<(u32, Rule)>,
    otherwise: Verdict,
    audit_arch: u32,
) -> Result<Vec<sock_filter>, CompileError> {
    rules.sort_by_key(|(number, _)| *number);
    let ranges = ranges(rules, otherwise)?;
    let mut program = vec![
        load(OFFSET_ARCH),
        jump(BPF_JEQ, audit_arch, 1, 0),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        load(OFFSET_NR),
        jump(BPF_JGE, X32_BIT, 0, 1),
        ret(verdict(otherwise)),
    ];
    tree(&ranges, &mut program)?;
    Ok(program)
}

/// From `first` on, up to the next range, this rule holds.
struct Range {
    first: u32,
    rule: Rule,
}

fn ranges(rules: Vec<(u32, Rule)>, otherwise: Verdict) -> Result<Vec<Range>, CompileError> {
    let mut ranges = vec![Range { first: 0, rule: Rule::Always(otherwise) }];
    let mut next = 0;
    let mut push = |first: u32, rule: Rule| match ranges.last_mut() {
        Some(last) if last.first == first => last.rule = rule,
        Some(last) if last.rule == rule && matches!(rule, Rule::Always(_)) => {}
        Some(_) | None => ranges.push(Range { first, rule }),
    };
    for (number, rule) in rules {
        if number < next {
            return Err(CompileError::Duplicate(number));
        }
        if number > next {
            push(next, Rule::Always(otherwise));
        }
        push(number, rule);
        next = number + 1;
    }
    push(next, Rule::Always(otherwise));
    Ok(ranges)
}

fn tree(ranges: &[Range], program: &mut Vec<sock_filter>) -> Result<(), CompileError> {
    match ranges {
        [] => Ok(()),
        [only] => leaf(&only.rule, program),
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let at = program.len();
            let Some(pivot) = right.first() else { return Ok(()) };
            program.push(jump(BPF_JGE, pivot.first, 0, 0));
            tree(left, program)?;
            let skip = distance(program.len() - at - 1)?;
            if let Some(branch) = program.get_mut(at) {
                branch.jt = skip;
            }
            tree(right, program)
        }
    }
}

fn leaf(rule: &Rule, program: &mut Vec<sock_filter>) -> Result<(), CompileError> {
    match rule {
        Rule::Always(answer) => program.push(ret(verdict(*answer))),
        Rule::Tests(tests, last) => {
            for test in tests {
                emit(test, program)?;
            }
            program.push(ret(verdict(*last)));
        }
        Rule::Split { argument, equals, then, otherwise } => {
            program.push(load(OFFSET_ARGS + 8 * u32::from(*argument)));
            let at = program.len();
            program.push(jump(BPF_JEQ, *equals, 0, 0));
            leaf(then, program)?;
            let skip = distance(program.len() - at - 1)?;
            if let Some(branch) = program.get_mut(at) {
                branch.jf = skip;
            }
            leaf(otherwise, program)?;
        }
    }
    Ok(())
}

fn emit(test: &Test, program: &mut Vec<sock_filter>) -> Result<(), CompileError> {
    program.push(load(OFFSET_ARGS + 8 * u32::from(test.argument)));
    match &test.is {
        Match::AnyBit => {
            program.push(jump(BPF_JSET, test.mask, 0, 1));
            program.push(ret(verdict(test.then)));
        }
        Match::AnyOf(values) => {
            program.push(statement(BPF_ALU | BPF_AND | BPF_K, test.mask));
            for (i, value) in values.iter().enumerate() {
                // To the return behind the last comparison, or on to the next one.
                let to_return = distance(values.len() - 1 - i)?;
                let past_return = u8::from(i + 1 == values.len());
                program.push(jump(BPF_JEQ, *value, to_return, past_return));
            }
            if !values.is_empty() {
                program.push(ret(verdict(test.then)));
            }
        }
        Match::NoneOf(values) => {
            program.push(statement(BPF_ALU | BPF_AND | BPF_K, test.mask));
            for (i, value) in values.iter().enumerate() {
                program.push(jump(BPF_JEQ, *value, distance(values.len() - i)?, 0));
            }
            program.push(ret(verdict(test.then)));
        }
    }
    Ok(())
}

fn distance(instructions: usize) -> Result<u8, CompileError> {
    u8::try_from(instructions).map_err(|_over| CompileError::TooLarge)
}

fn verdict(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Allow => libc::SECCOMP_RET_ALLOW,
        Verdict::Errno(errno) => libc::SECCOMP_RET_ERRNO | u32::from(errno),
    }
}

fn load(offset: u32) -> sock_filter {
    statement(BPF_LD | BPF_W | BPF_ABS, offset)
}

fn ret(value: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, value)
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code16(code), jt: 0, jf: 0, k }
}

fn jump(condition: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: code16(BPF_JMP | condition | BPF_K), jt, jf, k }
}

fn code16(code: u32) -> u16 {
    u16::try_from(code).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ARCH: u32 = 0xc000_003e;

    /// Runs a program as the kernel would (only the instructions that we emit).
    fn run(program: &[sock_filter], arch: u32, nr: u32, args: [u64; 6]) -> u32 {
        let (mut pc, mut acc) = (0usize, 0u32);
        loop {
            let i = &program[pc];
            pc += 1;
            let code = u32::from(i.code);
            let branch = |yes: bool| usize::from(if yes { i.jt } else { i.jf });
            if code == BPF_LD | BPF_W | BPF_ABS {
                acc = match i.k {
                    OFFSET_NR => nr,
                    OFFSET_ARCH => arch,
                    k => {
                        let arg = usize::try_from((k - OFFSET_ARGS) / 8).unwrap();
                        u32::try_from(args[arg] & 0xffff_ffff).unwrap()
                    }
                };
            } else if code == BPF_ALU | BPF_AND | BPF_K {
                acc &= i.k;
            } else if code == BPF_JMP | BPF_JEQ | BPF_K {
                pc += branch(acc == i.k);
            } else if code == BPF_JMP | BPF_JGE | BPF_K {
                pc += branch(acc >= i.k);
            } else if code == BPF_JMP | BPF_JSET | BPF_K {
                pc += branch(acc & i.k != 0);
            } else {
                assert_eq!(code, BPF_RET | BPF_K);
                return i.k;
            }
        }
    }

    /// What the rules mean, without a tree.
    fn expected(rules: &[(u32, Rule)], otherwise: Verdict, nr: u32, args: [u64; 6]) -> u32 {
        let Some((_, rule)) = rules.iter().find(|(number, _)| *number == nr) else {
            return verdict(otherwise);
        };
        expected_of(rule, args)
    }

    fn expected_of(rule: &Rule, args: [u64; 6]) -> u32 {
        let low_bits = |argument: u8| u32::try_from(args[usize::from(argument)] & 0xffff_ffff);
        let (tests, last) = match rule {
            Rule::Always(v) => return verdict(*v),
            Rule::Split { argument, equals, then, otherwise } => {
                let is_equal = low_bits(*argument).unwrap() == *equals;
                return expected_of(if is_equal { then } else { otherwise }, args);
            }
            Rule::Tests(tests, last) => (tests, last),
        };
        for test in tests {
            let low = low_bits(test.argument).unwrap();
            let masked = low & test.mask;
            let holds = match &test.is {
                Match::AnyBit => masked != 0,
                Match::AnyOf(values) => values.contains(&masked),
                Match::NoneOf(values) => !values.contains(&masked),
            };
            if holds {
                return verdict(test.then);
            }
        }
        verdict(*last)
    }

    fn any_verdict() -> impl Strategy<Value = Verdict> {
        prop_oneof![Just(Verdict::Allow), (1u16..40).prop_map(Verdict::Errno)]
    }

    prop_compose! {
        fn any_test()(
            argument in 0u8..6, mask in any::<u32>(), kind in 0..3,
            values in prop::collection::vec(0u32..8, 1..4), then in any_verdict(),
        ) -> Test {
            let is = match kind {
                0 => Match::AnyBit,
                1 => Match::AnyOf(values),
                _ => Match::NoneOf(values),
            };
            Test { argument, mask, is, then }
        }
    }

    fn any_rule() -> impl Strategy<Value = Rule> {
        prop_oneof![6 => any_plain_rule(), 1 => any_split()]
    }

    fn any_plain_rule() -> impl Strategy<Value = Rule> {
        prop_oneof![
            3 => any_verdict().prop_map(Rule::Always),
            1 => (prop::collection::vec(any_test(), 0..3), any_verdict())
                .prop_map(|(tests, last)| Rule::Tests(tests, last)),
        ]
    }

    prop_compose! {
        fn any_split()(
            argument in 0u8..6, equals in 0u32..16,
            then in any_plain_rule(), otherwise in any_plain_rule(),
        ) -> Rule {
            Rule::Split { argument, equals, then: Box::new(then), otherwise: Box::new(otherwise) }
        }
    }

    proptest! {
        #[test]
        fn the_tree_says_what_the_rules_say(
            rules in prop::collection::btree_map(0u32..120, any_rule(), 0..60),
            otherwise in any_verdict(),
            args in prop::array::uniform6(0u64..16),
        ) {
            let rules: Vec<_> = rules.into_iter().collect();
            let Ok(program) = compile(rules.clone(), otherwise, ARCH) else {
                return Err(TestCaseError::reject("too large"));
            };
            for nr in 0..130 {
                prop_assert_eq!(
                    run(&program, ARCH, nr, args), expected(&rules, otherwise, nr, args), "{}", nr
                );
            }
        }
    }

    #[test]
    fn another_architecture_is_killed_and_x32_is_refused() {
        let program =
            compile(vec![(1, Rule::Always(Verdict::Allow))], Verdict::Errno(38), ARCH).unwrap();
        assert_eq!(run(&program, 0x4000_0003, 1, [0; 6]), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(run(&program, ARCH, 1, [0; 6]), libc::SECCOMP_RET_ALLOW);
        assert_eq!(run(&program, ARCH, 1 | X32_BIT, [0; 6]), verdict(Verdict::Errno(38)));
        assert_eq!(run(&program, ARCH, u32::MAX, [0; 6]), verdict(Verdict::Errno(38)));
    }

    #[test]
    fn two_rules_for_one_call_are_an_error() {
        let twice = vec![(7, Rule::Always(Verdict::Allow)), (7, Rule::Always(Verdict::Errno(1)))];
        assert_eq!(compile(twice, Verdict::Allow, ARCH), Err(CompileError::Duplicate(7)));
    }
}
