"""What the shells are told: ask `lxgit __complete`, one candidate a line, help after a tab.

Bash splits words at `:` and `=` (COMP_WORDBREAKS), which stand in names such as `base:v1`: the
whole line goes to lxgit, and of what comes back only the part after the last such mark is offered.
"""

from __future__ import annotations

_BASH = r"""# bash completion for lxgit
_lxgit() {
    local IFS=$'\n' mark word=${COMP_LINE:0:COMP_POINT}
    word=${word##*[[:space:]]}
    COMPREPLY=($(lxgit __complete "${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    if [[ ${COMPREPLY[0]} == :files ]]; then
        COMPREPLY=()
        compopt -o default
        return
    fi
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[/:=] ]]; then
        compopt -o nospace
    fi
    for mark in : =; do
        if [[ $COMP_WORDBREAKS == *$mark* && $word == *$mark* ]]; then
            COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*"$mark"}"}"}")
            word=${word##*"$mark"}
        fi
    done
}
complete -F _lxgit lxgit
"""

_ZSH = r"""#compdef lxgit
# zsh completion for lxgit
_lxgit() {
    local line value
    local -a candidates descriptions open
    for line in "${(@f)$(lxgit __complete "${(j: :)words[1,CURRENT]}" 2>/dev/null)}"; do
        value=${line%%$'\t'*}
        case $value in
            '') ;;
            :files) _files; return ;;
            *[/:=]) open+=("$value") ;;
            *) candidates+=("$value")
               descriptions+=("${line/$'\t'/  -- }") ;;
        esac
    done
    (( $#open )) && compadd -S '' -a open
    (( $#candidates )) && compadd -l -d descriptions -a candidates
}
if [[ $funcstack[1] == _lxgit ]]; then
    _lxgit "$@"
else
    compdef _lxgit lxgit
fi
"""

_FISH = r"""# fish completion for lxgit
function __lxgit_complete
    set -l candidates (lxgit __complete (commandline -cp | string collect) 2>/dev/null)
    if test "$candidates[1]" = :files
        __fish_complete_path (commandline -ct)
    else
        string join -- \n $candidates
    end
end
complete --command lxgit --no-files --arguments '(__lxgit_complete)'
"""

SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
