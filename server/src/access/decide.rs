//! The decision on one call. [`Permit`] has no other maker, so nothing is called without it.

use crate::catalog::Entry;
use crate::model::caller::Caller;
use crate::model::name::ToolName;

/// Proof that `caller` may call the tool of `entry`.
#[derive(Debug)]
pub struct Permit<'a> {
    caller: &'a Caller,
    entry: &'a Entry,
}

impl<'a> Permit<'a> {
    /// Who may.
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// What may be called.
    pub fn entry(&self) -> &'a Entry {
        self.entry
    }
}

/// This caller may not call this tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this token may not call `{tool}`; ask the operator of this server for a grant")]
pub struct Refusal {
    /// What was called.
    pub tool: ToolName,
}

/// Decides. A token that is known may call every tool: grants, when tokens carry them, are judged
/// here and nowhere else.
pub fn decide<'a>(caller: &'a Caller, entry: &'a Entry) -> Result<Permit<'a>, Refusal> {
    Ok(Permit { caller, entry })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::fixture::{api_tool, entry};

    #[test]
    fn a_permit_names_the_caller_and_the_tool_that_were_judged() {
        let caller = Caller::LOCAL;
        let entry = entry(api_tool("one", []));
        let permit = decide(&caller, &entry).unwrap();
        assert_eq!(permit.caller(), &caller);
        assert_eq!(permit.entry().tool.name.as_str(), "one");
    }
}
