# Completion of modprobe and the other tools for kernel modules for bash.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Installed under the name of each tool. Module names come from the text form of the database, read by one awk;
# no directory tree is walked.

# Generated from the tools' definitions; cargo xtask completions renews it.
_modutils_rs_fields='
    alias author build-id depends description filename firmware import_ns intree license name parm parmtype
    retpoline sig_hashalgo sig_id sig_key signature signer softdep srcversion staging vermagic version weakdep'
_modutils_rs_of_modprobe='
    -a --all -r --remove --remove-dependencies --remove-holders -w:OTHER --wait:OTHER --first-time -i
    --ignore-install --ignore-remove -b --use-blacklist -f --force --force-modversion --force-vermagic -k
    --autoclean --no-persist --save-settings --restore-settings -R --resolve-alias --show-alias -D --show-depends
    -c --showconfig --show-config --show-modversions --dump-modversions --show-exports -n --dry-run --show -l
    --list -t:OTHER --type:OTHER --explain --check --json --hints --show-settings -C:FILE --config:FILE -d:ROOT
    --dirname:ROOT -S:VERSION --set-version:VERSION -s --syslog -q --quiet -v --verbose -V --version -h --help'
_modutils_rs_of_rmmod='
    -f --force -a --autoclean --all -n --dry-run --json --no-persist -s --syslog -v --verbose -V --version -h
    --help'
_modutils_rs_of_depmod='
    -a --all -A --quick -b:ROOT --basedir:ROOT -m:MODULES --moduledir:MODULES -o:DIR --outdir:DIR -C:FILE
    --config:FILE -E:FILE --symvers:FILE -F:FILE --filesyms:FILE -e --errsyms -n --show --dry-run -P:OTHER
    --symbol-prefix:OTHER -w --warn -j:OTHER --jobs:OTHER --cache:FILE --no-cache --root:DIR --remove:VERSION
    --check --strict --keep-going --stats --json -v --verbose -V --version -h --help'
_modutils_rs_of_insmod='
    -f --force --force-modversion --force-vermagic -s --syslog -v --verbose -V --version -h --help'
_modutils_rs_of_lsmod='
    --json --tree --why -s --syslog -v --verbose -V --version -h --help'
_modutils_rs_of_modinfo='
    -a --author -d --description -l --license -p --parameters -n --filename -F:FIELD --field:FIELD -0 --null -m
    --modname -k:VERSION --set-version:VERSION -b:ROOT --basedir:ROOT --json --params -V --version -h --help'
_modutils_rs_of_kmod='
    -V --version -h --help'
_modutils_rs_of_kmod_list='
    --json --tree --why -s --syslog -v --verbose -V --version -h --help'
_modutils_rs_of_kmod_static_nodes='
    -o:FILE --output:FILE -f:ONE/human/tmpfiles/devname --format:ONE/human/tmpfiles/devname -h --help'
_modutils_rs_of_kmod_devices='
    --missing --json -h --help'
_modutils_rs_of_kmod_graph='
    -f:ONE/dot/mermaid --format:ONE/dot/mermaid -k:VERSION --set-version:VERSION -b:ROOT --basedir:ROOT -h --help'
# End of the generated part.

# The commands of kmod.
_modutils_rs_commands='help list static-nodes devices graph'

# Takes the words before the cursor apart. Sets word (the one under the cursor), option (whose value it is, if
# any), kind (of that value), given (options so far, each between spaces), value[kind], operands.
_modutils_rs_parse() {
    # The list is broken into lines wherever it fits.
    local table=" ${1//$'\n'/ } " joined='' item name letters index
    local -a words=()
    for ((index = 1; index <= COMP_CWORD; index++)); do
        item=${COMP_WORDS[index]}
        # What readline splits at = and : belongs together.
        if ((${#words[@]})) && [[ $item == [=:] || -n $joined ]]; then
            words[-1]+=$item
        else
            words+=("$item")
        fi
        [[ $item == [=:] ]] && joined=yes || joined=''
    done
    word=${words[-1]}
    unset 'words[-1]'
    option='' kind='' given=' ' operands=()
    local only_operands=''
    for item in "${words[@]}"; do
        if [[ -n $option ]]; then
            value[$kind]=$item option=''
        elif [[ -n $only_operands || $item != -?* ]]; then
            operands+=("$item")
        elif [[ $item == -- ]]; then
            only_operands=yes
        elif [[ $item == --*=* ]]; then
            _modutils_rs_kind "${item%%=*}" && value[$kind]=${item#*=}
        elif [[ $item == --* ]]; then
            given+="$item "
            _modutils_rs_kind "$item" && option=$item
        else
            letters=${item#-}
            while [[ -n $letters ]]; do
                name=-${letters:0:1} letters=${letters:1}
                given+="$name "
                if _modutils_rs_kind "$name"; then
                    [[ -n $letters ]] && value[$kind]=$letters || option=$name
                    break
                fi
            done
        fi
    done
    if [[ -z $option && -z $only_operands && $word == --*=* ]]; then
        _modutils_rs_kind "${word%%=*}" && option=${word%%=*} word=${word#*=}
    fi
    [[ -n $option ]] && _modutils_rs_kind "$option"
    [[ -z $only_operands ]]
}

# Sets kind to what the value of an option is; fails if it takes none.
_modutils_rs_kind() {
    [[ $table == *" $1:"* ]] || return 1
    kind=${table#*" $1:"}
    kind=${kind%% *}
}

# The releases of kernels that have modules below a directory.
_modutils_rs_releases() {
    local directory
    for directory in "$1"/*/; do
        directory=${directory%/}
        [[ -d $directory ]] && printf '%s\n' "${directory##*/}"
    done
}

# The directory of the kernel's modules, as the options say.
_modutils_rs_directory() {
    printf '%s' "${value[ROOT]}/lib/modules/${value[VERSION]:-$(uname -r)}"
}

# Modules of the database that begin like the word, dash or underscore; written in the manner of the word.
_modutils_rs_modules() {
    typed=$word awk -F: '
        BEGIN {
            typed = ENVIRON["typed"]; dashes = typed ~ /-/
            wanted = typed; gsub(/-/, "_", wanted); length_of_it = length(wanted)
        }
        {
            name = $1; sub(/.*\//, "", name); sub(/\..*/, "", name); gsub(/-/, "_", name)
            if (substr(name, 1, length_of_it) != wanted) next
            rest = substr(name, length_of_it + 1); if (dashes) gsub(/_/, "-", rest)
            print typed rest
        }' "$(_modutils_rs_directory)/modules.dep" 2>/dev/null
}

# Modules that are loaded, in the same way.
_modutils_rs_loaded() {
    local state name rest wanted=${word//-/_}
    for state in /sys/module/*/initstate; do
        name=${state%/initstate} name=${name##*/}
        [[ $name == "$wanted"* ]] || continue
        rest=${name:${#wanted}}
        [[ $word == *-* ]] && rest=${rest//_/-}
        [[ -e $state ]] && printf '%s\n' "$word$rest"
    done
}

# The parameters of a module, each with an equals sign.
_modutils_rs_parameters() {
    local file directory
    directory=$(_modutils_rs_directory)
    if [[ $1 == */* ]]; then
        file=$1
    else
        file=$(wanted=${1//-/_} awk -F: '{
            name = $1; sub(/.*\//, "", name); sub(/\..*/, "", name); gsub(/-/, "_", name)
            if (name == ENVIRON["wanted"]) { print $1; exit }
        }' "$directory/modules.dep" 2>/dev/null)
        [[ $file == /* || -z $file ]] || file=$directory/$file
    fi
    { [[ -n $file ]] && command modinfo -p "$file" 2>/dev/null; } |
        awk -F: '/^[A-Za-z0-9_]+:/ { print $1 "=" }'
}

# Fills COMPREPLY with the lines of standard input that begin with the word.
_modutils_rs_offer() {
    local line
    while IFS= read -r line; do
        [[ $line == "$word"* ]] && COMPREPLY+=("$line")
    done
}

# Completes options and their values; fails if neither is wanted.
_modutils_rs_options() {
    if [[ -n $option ]]; then
        case $kind in
            ROOT | MODULES | DIR)
                compopt -o filenames 2>/dev/null
                _modutils_rs_offer < <(compgen -d -- "$word")
                ;;
            FILE | PATH)
                compopt -o filenames 2>/dev/null
                _modutils_rs_offer < <(compgen -f -- "$word")
                ;;
            VERSION) _modutils_rs_offer < <(_modutils_rs_releases "${value[ROOT]}/lib/modules") ;;
            NAME) _modutils_rs_offer < <(_modutils_rs_modules) ;;
            ONE/*) _modutils_rs_offer < <(IFS=/ && printf '%s\n' ${kind#ONE/}) ;;
            FIELD) _modutils_rs_offer < <(printf '%s\n' $_modutils_rs_fields) ;;
        esac
    elif [[ -z $only_operands && $word == -* ]]; then
        local item
        for item in $1; do
            [[ $item == "$word"* ]] && COMPREPLY+=("${item%%:*}")
        done
    else
        return 1
    fi
}

_modutils_rs_modprobe() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_modprobe" || only_operands=yes
    _modutils_rs_options "$_modutils_rs_of_modprobe" && return
    if [[ $given =~ ' '(-r|--remove[a-z-]*|--save-settings|--show-settings)' ' ]]; then
        _modutils_rs_offer < <(_modutils_rs_loaded)
    elif [[ $given != *" -a "* && $given != *" --all "* ]] && ((${#operands[@]})); then
        compopt -o nospace 2>/dev/null
        _modutils_rs_offer < <(_modutils_rs_parameters "${operands[0]}")
    elif [[ $word == /* || $word == ./* ]]; then
        compopt -o filenames 2>/dev/null
        _modutils_rs_offer < <(compgen -f -- "$word")
    else
        _modutils_rs_offer < <(_modutils_rs_modules)
    fi
}

_modutils_rs_rmmod() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_rmmod" || only_operands=yes
    _modutils_rs_options "$_modutils_rs_of_rmmod" && return
    _modutils_rs_offer < <(_modutils_rs_loaded)
}

_modutils_rs_depmod() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_depmod" || only_operands=yes
    _modutils_rs_options "$_modutils_rs_of_depmod" && return
    if ((${#operands[@]})); then
        compopt -o filenames 2>/dev/null
        _modutils_rs_offer < <(compgen -f -- "$word")
    else
        _modutils_rs_offer < <(_modutils_rs_releases "${value[ROOT]}/${value[MODULES]:-lib/modules}")
    fi
}

# Files, after which nothing more is offered for a directory.
_modutils_rs_files() {
    compopt -o filenames 2>/dev/null
    _modutils_rs_offer < <(compgen -f -- "$word")
}

_modutils_rs_insmod() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_insmod" || only_operands=yes
    _modutils_rs_options "$_modutils_rs_of_insmod" && return
    if ((${#operands[@]})); then
        compopt -o nospace 2>/dev/null
        [[ ${operands[0]} == */* ]] || operands[0]=./${operands[0]}
        _modutils_rs_offer < <(_modutils_rs_parameters "${operands[0]}")
    else
        _modutils_rs_files
    fi
}

_modutils_rs_lsmod() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_lsmod" || only_operands=yes
    _modutils_rs_options "$_modutils_rs_of_lsmod" && return
    [[ $given =~ ' '--(json|tree|why)' ' ]] && _modutils_rs_offer < <(_modutils_rs_loaded)
}

_modutils_rs_modinfo() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_modinfo" || only_operands=yes
    _modutils_rs_options "$_modutils_rs_of_modinfo" && return
    if [[ $word == */* || $word == .* ]]; then
        _modutils_rs_files
    else
        _modutils_rs_offer < <(_modutils_rs_modules)
    fi
}

_modutils_rs_kmod() {
    local word option kind given only_operands=''
    local -a operands
    local -A value=()
    COMPREPLY=()
    _modutils_rs_parse "$_modutils_rs_of_kmod" || only_operands=yes
    if ((! ${#operands[@]})); then
        _modutils_rs_options "$_modutils_rs_of_kmod" && return
        _modutils_rs_offer < <(printf '%s\n' $_modutils_rs_commands)
        return
    fi
    # What follows a command is its own.
    local command=${operands[0]} name=_modutils_rs_of_kmod_${operands[0]//-/_}
    [[ " $_modutils_rs_commands " == *" $command "* ]] || return
    local options=${!name}
    only_operands='' value=()
    _modutils_rs_parse "$options" || only_operands=yes
    _modutils_rs_options "$options" && return
    if [[ $command == graph ]]; then
        _modutils_rs_offer < <(_modutils_rs_modules)
    elif [[ $command == list && $given =~ ' '(--json|--tree|--why)' ' ]]; then
        _modutils_rs_offer < <(_modutils_rs_loaded)
    fi
}

complete -F _modutils_rs_modprobe modprobe
complete -F _modutils_rs_rmmod rmmod
complete -F _modutils_rs_depmod depmod
complete -F _modutils_rs_insmod insmod
complete -F _modutils_rs_lsmod lsmod
complete -F _modutils_rs_modinfo modinfo
complete -F _modutils_rs_kmod kmod
