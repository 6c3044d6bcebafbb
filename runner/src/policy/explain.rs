//! Why a request is allowed or denied, and what exactly would run: for an operator's terminal. The
//! runner's socket never answers with it.

use std::fmt;
use std::time::SystemTime;

use proto::Execute;

use super::decide::{Decision, decide};
use super::engagement::Hosts;
use super::rule::{Node, Policy, Rest, Rule};
use crate::plan::{Network, Plan, Processes};

/// A decision with its grounds. Its `Display` is the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What the policy says.
    pub decision: Decision,
    /// The rule that was consulted, and where it stands.
    pub rule: Option<(String, String)>,
    /// For whom, line by line: the principal, and its engagements with their times.
    pub grants: Vec<(&'static str, String)>,
    /// What the rule takes, line by line, when the answer is no.
    pub allowed: Vec<String>,
}

/// Explains what [`decide`] says to the same request.
pub fn explain(policy: &Policy, request: &Execute, workdir: &str, now: SystemTime) -> Explanation {
    let decision = decide(policy, request, workdir, now);
    let rule = policy.find(&request.command);
    let mut allowed = Vec::new();
    match (&decision, rule) {
        (Decision::Deny(_), Some(rule)) => {
            describe(&rule.grammar, &mut String::new(), &mut allowed);
        }
        (Decision::Deny(_), None) => {
            allowed.extend(policy.commands().map(|command| command.name.to_owned()));
        }
        (Decision::Permit(_), _) => {}
    }
    let grants = grants(policy, &decision, &request.principal, now);
    Explanation { decision, rule: rule.map(named), grants, allowed }
}

/// The principal, and its engagements: the one of a permit, or all of them.
fn grants(
    policy: &Policy,
    decision: &Decision,
    user: &str,
    now: SystemTime,
) -> Vec<(&'static str, String)> {
    let Some(principal) = policy.principal(user) else {
        let who = if policy.principals.is_empty() {
            "none in the policy, so anyone may run what leads to no host".to_owned()
        } else {
            format!("none has the user \"{}\"", user.escape_debug())
        };
        return vec![("principal", who)];
    };
    let mut lines = vec![("principal", format!("{} ({})", principal.name, principal.place))];
    if let Some(max) = principal.quota.max_concurrent {
        lines.push(("at most", format!("{max} runs at the same time")));
    }
    if let Some(rate) = principal.quota.rate {
        lines.push(("at most", rate.to_string()));
    }
    for engagement in principal.engagements.iter().filter_map(|name| policy.engagements.get(name)) {
        match decision {
            Decision::Permit(plan) if plan.engagement.as_ref() != Some(&engagement.name) => {
                continue;
            }
            Decision::Permit(_) | Decision::Deny(_) => {}
        }
        let state = if engagement.window.is_open(now) { "open" } else { "closed now; open" };
        lines.extend([
            ("engagement", format!("{} ({})", engagement.name, engagement.place)),
            ("window", format!("{state} {}", engagement.window)),
            ("has", engagement.includes.to_string()),
        ]);
        if engagement.excludes != Hosts::default() {
            lines.push(("excludes", engagement.excludes.to_string()));
        }
    }
    lines
}

fn named(rule: &Rule) -> (String, String) {
    (rule.name.clone(), rule.place.clone())
}

fn describe(node: &Node, path: &mut String, lines: &mut Vec<String>) {
    lines.extend(node.flags.iter().map(|flag| format!("{path}{flag}")));
    for (name, option) in &node.options {
        let needed = if option.required { ", required" } else { "" };
        lines.push(format!("{path}{name}: {}{needed}", option.value));
    }
    match &node.rest {
        Rest::Positionals(several) => {
            for one in several {
                lines.push(format!(
                    "{path}<{}> {} to {} times: {}",
                    one.name, one.min, one.max, one.value
                ));
            }
        }
        Rest::Subs(subs) => {
            for (name, sub) in subs {
                let len = path.len();
                path.push_str(name);
                path.push(' ');
                lines.push(format!("{path}..."));
                describe(sub, path, lines);
                path.truncate(len);
            }
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.decision {
            Decision::Permit(plan) => {
                writeln!(f, "permit")?;
                self.write_rule(f)?;
                write_plan(f, plan)
            }
            Decision::Deny(denial) => {
                writeln!(f, "deny")?;
                self.write_rule(f)?;
                if let Some(argument) = denial.argument {
                    writeln!(f, "  argument     {argument}, counted from 0")?;
                }
                writeln!(f, "  reason       {}", denial.reason)?;
                let title = if self.rule.is_some() { "  allowed" } else { "  commands" };
                for (n, line) in self.allowed.iter().enumerate() {
                    writeln!(f, "{:<14} {line}", if n == 0 { title } else { "" })?;
                }
                Ok(())
            }
        }
    }
}

impl Explanation {
    fn write_rule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some((name, place)) => writeln!(f, "  rule         {name} ({place})")?,
            None => writeln!(f, "  rule         none has this name, alias or path")?,
        }
        self.grants.iter().try_for_each(|(title, text)| writeln!(f, "  {title:<12} {text}"))
    }
}

fn write_plan(f: &mut fmt::Formatter<'_>, plan: &Plan) -> fmt::Result {
    let limits = &plan.limits;
    writeln!(f, "  program      {}", plan.program.display())?;
    let secret = |_: &str| "[secret]".to_owned();
    for (n, word) in plan.shown_argv(secret).iter().enumerate() {
        writeln!(f, "  argv {n:<7} \"{}\"", word.escape_debug())?;
    }
    for (name, value) in &plan.env {
        let value = if plan.secrets.env.contains(name) { "[secret]" } else { value };
        writeln!(f, "  env          {name}={}", value.escape_debug())?;
    }
    writeln!(f, "  cwd          {}", plan.cwd.display())?;
    writeln!(f, "  stdin        {:?}", plan.stdin)?;
    writeln!(f, "  wall         {:?}, then {:?} from TERM to KILL", limits.wall, limits.grace)?;
    writeln!(f, "  cpu          {} s", limits.cpu_s)?;
    writeln!(f, "  memory       {} bytes a process", limits.memory)?;
    writeln!(f, "  pids         {}", limits.pids)?;
    writeln!(f, "  open files   {}", limits.nofile)?;
    writeln!(f, "  file size    {} bytes", limits.fsize)?;
    writeln!(f, "  work dir     {} bytes", limits.workdir_size)?;
    writeln!(
        f,
        "  output       {} bytes of stdout, {} of stderr: the first {} of each, and the last; ended \
         at {} of both",
        limits.stdout, limits.stderr, limits.output_head, limits.output_hard
    )?;
    let line = &limits.line;
    writeln!(
        f,
        "  at a time    {} runs; then {} may wait for {:?}",
        line.concurrency, line.queue, line.wait
    )?;
    writeln!(f, "  input        {} bytes of stdin", limits.stdin)?;
    let reach = &plan.confinement;
    for (title, paths) in [("read", &reach.ro), ("write", &reach.rw), ("execute", &reach.exec)] {
        for path in paths {
            writeln!(f, "  {title:<12} {}", path.display())?;
        }
    }
    match &reach.network {
        Network::Any => writeln!(f, "  network      any")?,
        Network::Connect(ports) => writeln!(f, "  network      TCP to ports {ports:?}")?,
        Network::Inspect => writeln!(f, "  network      none; interfaces and routes can be read")?,
        Network::None => writeln!(f, "  network      none")?,
    }
    match reach.processes {
        Processes::Host => writeln!(f, "  processes    all of the host can be seen")?,
        Processes::Own => writeln!(f, "  processes    its own")?,
    }
    match reach.capabilities.as_slice() {
        [] => writeln!(f, "  capabilities none"),
        some => writeln!(f, "  capabilities {}", some.join(" ")),
    }
}
