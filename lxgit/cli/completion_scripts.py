"""What the shells are told: ask `lxgit __complete`, one candidate a line, help after a tab.

Names are strangers': a branch of a clone may be called `$(reboot)`, and a file in an image. What is
put on the line is quoted for the shell, which zsh and fish do by themselves.

Bash splits words at `:`, `=` and others (COMP_WORDBREAKS), which stand in names such as `base:v1`.
The whole line goes to lxgit. Of what comes back only the part is offered that Bash will put in
place: what is behind the last such mark, or behind a quotation mark that is open. Within one a name
is not offered that could end it, or be expanded there.
"""

from __future__ import annotations

_BASH = r"""# bash completion for lxgit
_lxgit() {
    local line=${COMP_LINE:0:COMP_POINT} letter quote= word= head= before= at
    for ((at = 0; at < ${#line}; at++)); do
        letter=${line:at:1}
        if [[ $letter == \\ && $quote != \' ]]; then
            word+=${line:$((++at)):1}
        elif [[ $quote && $letter == "$quote" ]]; then
            quote= head=$before
        elif [[ $quote ]]; then
            word+=$letter
        elif [[ $letter == [\'\"] ]]; then
            quote=$letter before=$head head=$word
        elif [[ $letter == [[:space:]] ]]; then
            word= head=
        else
            word+=$letter
            if [[ $COMP_WORDBREAKS == *"$letter"* ]]; then
                head=${word%@}
            fi
        fi
    done
    mapfile -t COMPREPLY < <(lxgit __complete "$line" 2>/dev/null)
    COMPREPLY=("${COMPREPLY[@]%%$'\t'*}")
    if [[ ${COMPREPLY[0]} == :files ]]; then
        COMPREPLY=()
        compopt -o default
        return
    fi
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == *[/:=] ]]; then
        compopt -o nospace
    fi
    for at in "${!COMPREPLY[@]}"; do
        word=${COMPREPLY[at]#"$head"}
        if [[ -z $quote && $word ]]; then
            printf -v word %q "$word"
        elif [[ $quote$word == \'*\'* || $quote$word == \"*[\"\$\`\\!]* ]]; then
            unset "COMPREPLY[at]"
            continue
        fi
        COMPREPLY[at]=$word
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
