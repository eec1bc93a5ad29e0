# Completion of modprobe and the other tools for kernel modules for fish.
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Installed under the name of each tool. Module names come from the text form of the database, read by one awk;
# no directory tree is walked.

for tool in modprobe rmmod depmod insmod lsmod modinfo kmod
    complete -e -c $tool
    complete -f -c $tool
end

# Generated from the tools' definitions; cargo xtask completions renews it.
set -g __modutils_rs_valued_modprobe -w --wait -t --type -C --config -d --dirname -S --set-version
complete -c modprobe -s a -l all -d 'Every operand is a module, none a parameter'
complete -c modprobe -s r -l remove -d 'Unload instead of loading'
complete -c modprobe -l remove-dependencies -l remove-holders -d 'With or without -r, unload the modules that use it, too [better: --remove-holders]'
complete -c modprobe -s w -l wait -x -d 'With -r, wait up to MSEC milliseconds for users to go away'
complete -c modprobe -l first-time -d 'Fail if the module is there, or gone, already'
complete -c modprobe -s i -l ignore-install -l ignore-remove -d 'Ignore install and remove commands, and softdeps, of the named module'
complete -c modprobe -s b -l use-blacklist -d 'Apply the blacklist to modules named directly, too'
complete -c modprobe -s f -l force -d 'Load whatever it was built for; unload even if used'
complete -c modprobe -l force-modversion -d 'Load with other symbol versions than the kernel’s'
complete -c modprobe -l force-vermagic -d 'Load although built for another kernel'
complete -c modprobe -s k -l autoclean -d 'Quietly load a module that rmmod -a may unload again'
complete -c modprobe -l no-persist -d 'Neither save settings of modules before they go nor put them back after they came'
complete -c modprobe -l save-settings -d 'Save the settings of loaded modules, or of those named, as modutils.d says'
complete -c modprobe -l restore-settings -d 'Put settings back of loaded modules, or of those named, that others have loaded'
complete -c modprobe -s R -l resolve-alias -l show-alias -d 'Print the modules that a name means, load nothing'
complete -c modprobe -s D -l show-depends -d 'Print what would be done if nothing were loaded, do nothing'
complete -c modprobe -s c -l showconfig -l show-config -d 'Print the configuration and all aliases'
complete -c modprobe -l show-modversions -l dump-modversions -d 'Print the symbol versions that a module needs'
complete -c modprobe -l show-exports -d 'Print the symbol versions that a module exports'
complete -c modprobe -s n -l dry-run -l show -d 'Do nothing; with -v, print what would be done'
complete -c modprobe -s l -l list -d 'Print the files of all modules, or of those that match PATTERN'
complete -c modprobe -s t -l type -x -d 'With -l, only modules below a directory DIR'
complete -c modprobe -l explain -d 'Print what each MODULE means, what loading it would do, and why'
complete -c modprobe -l check -d 'Print what in the configuration is wrong or has no effect'
complete -c modprobe -l json -d 'With --explain or --check, print JSON'
complete -c modprobe -l hints -d 'Say why something failed or has no effect, also where no terminal reads it'
complete -c modprobe -l show-settings -d 'Print the settings that modutils.d names: now, after the load, and saved'
complete -c modprobe -s C -l config -r -F -d 'Read PATH, a file or directory, instead of the modprobe.d directories'
complete -c modprobe -s d -l dirname -x -a '(__fish_complete_directories (commandline -ct))' -d 'Look for modules below DIR instead of /'
complete -c modprobe -s S -l set-version -x -a '(__modutils_rs_releases modprobe)' -d 'Use the modules of kernel VERSION instead of the running one’s'
complete -c modprobe -s s -l syslog -d 'Send messages to the system log instead of standard error'
complete -c modprobe -s q -l quiet -d 'Say nothing, not even errors'
complete -c modprobe -s v -l verbose -d 'Say more; may be repeated'
complete -c modprobe -s V -l version -d 'Print the version and leave'
complete -c modprobe -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_rmmod 
complete -c rmmod -s f -l force -d 'Unload a module even if it is in use, which may crash the system'
complete -c rmmod -s a -l autoclean -l all -d 'Unload what the kernel loaded on demand and nobody has used for an interval [or: --all]'
complete -c rmmod -s n -l dry-run -d 'Unload nothing, show what would be unloaded'
complete -c rmmod -l json -d 'With -a: describe every recorded module in JSON'
complete -c rmmod -l no-persist -d 'Do not save the settings of a module before it is unloaded'
complete -c rmmod -s s -l syslog -d 'Send messages to the system log instead of standard error'
complete -c rmmod -s v -l verbose -d 'Say more; may be repeated'
complete -c rmmod -s V -l version -d 'Print the version and leave'
complete -c rmmod -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_depmod -b --basedir -m --moduledir -o --outdir -C --config -E --symvers -F --filesyms -P --symbol-prefix -j --jobs --cache --root --remove
complete -c depmod -s a -l all -d 'Take all modules of the kernel; the default without FILE'
complete -c depmod -s A -l quick -d 'Do nothing if the database is whole and no module has changed'
complete -c depmod -s b -l basedir -x -a '(__fish_complete_directories (commandline -ct))' -d 'Look for the module directory below DIR'
complete -c depmod -s m -l moduledir -x -a '(__fish_complete_directories (commandline -ct))' -d 'Module directories are in DIR instead of lib/modules'
complete -c depmod -s o -l outdir -x -a '(__fish_complete_directories (commandline -ct))' -d 'Write the database below DIR instead of the base directory'
complete -c depmod -s C -l config -r -F -d 'Read PATH, a file or directory, instead of the depmod.d directories'
complete -c depmod -s E -l symvers -r -F -d 'Module.symvers of the kernel: its symbols and checksums'
complete -c depmod -s F -l filesyms -r -F -d 'System.map of the kernel: its symbols'
complete -c depmod -s e -l errsyms -d 'Report symbols that nobody provides'
complete -c depmod -s n -l show -d 'Print the text files, write nothing'
complete -c depmod -l dry-run -d 'The same as --show'
complete -c depmod -s P -l symbol-prefix -x -d 'This architecture puts CHARACTER before every symbol'
complete -c depmod -s w -l warn -d 'Report aliases that a module gives twice'
complete -c depmod -s j -l jobs -x -d 'Read N modules at a time; the default is all processors'
complete -c depmod -l cache -r -F -d 'Remember in FILE what modules say, for the next run'
complete -c depmod -l no-cache -d 'Read every module, and remember nothing'
complete -c depmod -l root -x -a '(__fish_complete_directories (commandline -ct))' -d 'Work inside DIR alone, its own depmod.d included'
complete -c depmod -l remove -x -a '(__modutils_rs_releases depmod)' -d 'Remove what was made for that kernel, and leave'
complete -c depmod -l check -d 'Say which files of the database are out of date, write nothing'
complete -c depmod -l strict -d 'End with status 1 after any warning'
complete -c depmod -l keep-going -d 'Replace the database even if a directory cannot be read'
complete -c depmod -l stats -d 'Sum the run up in a line'
complete -c depmod -l json -d 'Sum the run up as JSON'
complete -c depmod -s v -l verbose -d 'Say more; may be repeated'
complete -c depmod -s V -l version -d 'Print the version and leave'
complete -c depmod -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_insmod 
complete -c insmod -s f -l force -d 'Load whatever the module was built for'
complete -c insmod -l force-modversion -d 'Load with other symbol versions than the kernel’s'
complete -c insmod -l force-vermagic -d 'Load although built for another kernel'
complete -c insmod -s s -l syslog -d 'Send messages to the system log instead of standard error'
complete -c insmod -s v -l verbose -d 'Say more; may be repeated'
complete -c insmod -s V -l version -d 'Print the version and leave'
complete -c insmod -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_lsmod 
complete -c lsmod -l json -d 'Show them as JSON'
complete -c lsmod -l tree -d 'Show which modules use which, indented'
complete -c lsmod -l why -d 'Show why each module is there, and what uses it'
complete -c lsmod -s s -l syslog -d 'Send messages to the system log instead of standard error'
complete -c lsmod -s v -l verbose -d 'Say more; may be repeated'
complete -c lsmod -s V -l version -d 'Print the version and leave'
complete -c lsmod -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_modinfo -F --field -k --set-version -b --basedir
complete -c modinfo -s a -l author -d 'Show only the authors'
complete -c modinfo -s d -l description -d 'Show only the description'
complete -c modinfo -s l -l license -d 'Show only the license'
complete -c modinfo -s p -l parameters -d 'Show only the parameters'
complete -c modinfo -s n -l filename -d 'Show only the path of the file'
complete -c modinfo -s F -l field -x -a 'alias author build-id depends description filename firmware import_ns intree license name parm parmtype retpoline sig_hashalgo sig_id sig_key signature signer softdep srcversion staging vermagic version weakdep' -d 'Show only the values of FIELD'
complete -c modinfo -s 0 -l null -d 'End each item with a NUL byte instead of a newline'
complete -c modinfo -s m -l modname -d 'Take each operand for the name of a module, not for a file or an alias'
complete -c modinfo -s k -l set-version -x -a '(__modutils_rs_releases modinfo)' -d 'Look at the modules of kernel VERSION'
complete -c modinfo -s b -l basedir -x -a '(__fish_complete_directories (commandline -ct))' -d 'Look for lib/modules below ROOT'
complete -c modinfo -l json -d 'Show everything as JSON'
complete -c modinfo -l params -d 'Show parameters with their present and configured values'
complete -c modinfo -s V -l version -d 'Print the version and leave'
complete -c modinfo -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_kmod 
complete -c kmod -s V -l version -d 'Print the version and leave'
complete -c kmod -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_kmod_list 
complete -c kmod -n '__modutils_rs_command list' -l json -d 'Show them as JSON'
complete -c kmod -n '__modutils_rs_command list' -l tree -d 'Show which modules use which, indented'
complete -c kmod -n '__modutils_rs_command list' -l why -d 'Show why each module is there, and what uses it'
complete -c kmod -n '__modutils_rs_command list' -s s -l syslog -d 'Send messages to the system log instead of standard error'
complete -c kmod -n '__modutils_rs_command list' -s v -l verbose -d 'Say more; may be repeated'
complete -c kmod -n '__modutils_rs_command list' -s V -l version -d 'Print the version and leave'
complete -c kmod -n '__modutils_rs_command list' -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_kmod_static_nodes -o --output -f --format
complete -c kmod -n '__modutils_rs_command static-nodes' -s o -l output -r -F -d 'Write to FILE instead of standard output'
complete -c kmod -n '__modutils_rs_command static-nodes' -s f -l format -x -a 'human tmpfiles devname' -d 'human (the default), tmpfiles (see tmpfiles.d(5)) or devname'
complete -c kmod -n '__modutils_rs_command static-nodes' -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_kmod_devices 
complete -c kmod -n '__modutils_rs_command devices' -l missing -d 'Only devices that nothing drives'
complete -c kmod -n '__modutils_rs_command devices' -l json -d 'Show them as JSON'
complete -c kmod -n '__modutils_rs_command devices' -s h -l help -d 'Print this text and leave'
set -g __modutils_rs_valued_kmod_graph -f --format -k --set-version -b --basedir
complete -c kmod -n '__modutils_rs_command graph' -s f -l format -x -a 'dot mermaid' -d 'dot (the default) or mermaid'
complete -c kmod -n '__modutils_rs_command graph' -s k -l set-version -x -a '(__modutils_rs_releases kmod)' -d 'Look at the modules of kernel VERSION'
complete -c kmod -n '__modutils_rs_command graph' -s b -l basedir -x -a '(__fish_complete_directories (commandline -ct))' -d 'Look for lib/modules below ROOT'
complete -c kmod -n '__modutils_rs_command graph' -s h -l help -d 'Print this text and leave'
# End of the generated part.

# The operands before the cursor, one a line.
function __modutils_rs_operands --argument-names tool
    set -l valued __modutils_rs_valued_$tool
    set -l skip
    for token in (commandline -opc)[2..]
        if set -q skip[1]
            set -e skip
            continue
        end
        switch $token
            case '--*'
                contains -- $token $$valued; and set skip yes
            case '-*'
                contains -- -(string sub -s -1 -- $token) $$valued; and set skip yes
            case '*'
                printf '%s\n' $token
        end
    end
end

# The value that the options given by their spellings have so far.
function __modutils_rs_value
    set -l found ''
    set -l take
    for token in (commandline -opc)[2..]
        if set -q take[1]
            set found $token
            set -e take
            continue
        end
        for name in $argv
            if test "$token" = "$name"
                set take yes
            else if string match -q -- '--*' $name
                string match -q -- "$name=*" $token; and set found (string replace -- "$name=" '' $token)
            else if string match -q -- "$name*" $token
                set found (string sub -s 3 -- $token)
            else if string match -qr -- '^-[A-Za-z]+'(string sub -s 2 -- $name)'$' $token
                # The last letter of a bundle.
                set take yes
            end
        end
    end
    printf '%s\n' $found
end

# Whether one of these options was given.
function __modutils_rs_given
    for token in (commandline -opc)[2..]
        contains -- $token $argv; and return
        # Letters in a bundle.
        string match -qr '^-[^-]' -- $token; or continue
        for name in $argv
            string match -qr '^-[^-]$' -- $name; or continue
            string match -q -- '*'(string sub -s 2 -- $name)'*' $token; and return
        end
    end
    return 1
end

# Whether this command of kmod was given.
function __modutils_rs_command --argument-names name
    set -l found (__modutils_rs_operands kmod)
    test "$found[1]" = $name
end

# The directory of the kernel's modules, as the options say.
function __modutils_rs_directory
    set -l release
    set -l root
    if contains -- (commandline -opc)[1] modinfo kmod
        set release (__modutils_rs_value -k --set-version)
        set root (__modutils_rs_value -b --basedir)
    else
        set release (__modutils_rs_value -S --set-version)
        set root (__modutils_rs_value -d --dirname)
    end
    test -n "$release"; or set release (uname -r)
    printf '%s\n' $root/lib/modules/$release
end

# The releases of kernels that have modules.
function __modutils_rs_releases --argument-names tool
    set -l directory lib/modules
    set -l root
    switch $tool
        case depmod
            set root (__modutils_rs_value -b --basedir)
            set -l other (__modutils_rs_value -m --moduledir)
            test -n "$other"; and set directory $other
        case modinfo kmod
            set root (__modutils_rs_value -b --basedir)
        case '*'
            set root (__modutils_rs_value -d --dirname)
    end
    for release in $root/$directory/*/
        string match -r '[^/]+(?=/$)' -- $release
    end
end

# Modules of the database that begin like the word, dash or underscore; written in the manner of the word.
function __modutils_rs_modules
    set -lx typed (commandline -ct)
    awk -F: '
        BEGIN {
            typed = ENVIRON["typed"]; dashes = typed ~ /-/
            wanted = typed; gsub(/-/, "_", wanted); length_of_it = length(wanted)
        }
        {
            name = $1; sub(/.*\//, "", name); sub(/\..*/, "", name); gsub(/-/, "_", name)
            if (substr(name, 1, length_of_it) != wanted) next
            rest = substr(name, length_of_it + 1); if (dashes) gsub(/_/, "-", rest)
            print typed rest
        }' (__modutils_rs_directory)/modules.dep 2>/dev/null
end

# Modules that are loaded, in the same way.
function __modutils_rs_loaded
    set -l typed (commandline -ct)
    set -l wanted (string replace -a -- - _ "$typed")
    for state in /sys/module/*/initstate
        set -l name (string split / -- $state)[4]
        string match -q -- "$wanted*" $name; or continue
        set -l rest (string sub -s (math (string length -- "$wanted") + 1) -- $name)
        string match -q -- '*-*' "$typed"; and set rest (string replace -a -- _ - $rest)
        printf '%s\n' "$typed$rest"
    end
end

# The parameters of the module that stands first, each with an equals sign and what it means.
function __modutils_rs_parameters --argument-names tool
    set -l module (__modutils_rs_operands $tool)[1]
    test $tool = insmod; and not string match -q -- '*/*' $module; and set module ./$module
    set -l file $module
    if not string match -q -- '*/*' $module
        set -l directory (__modutils_rs_directory)
        set -lx wanted (string replace -a -- - _ $module)
        set file (awk -F: '{
            name = $1; sub(/.*\//, "", name); sub(/\..*/, "", name); gsub(/-/, "_", name)
            if (name == ENVIRON["wanted"]) { print $1; exit }
        }' $directory/modules.dep 2>/dev/null)
        test -n "$file"; or return
        string match -q -- '/*' $file; or set file $directory/$file
    end
    command modinfo -p $file 2>/dev/null | string replace -rf '^(\w+):(.*)$' '$1=\t$2'
end

# What an operand of modprobe is at this place: loaded, parameter, file or module.
function __modutils_rs_is --argument-names what
    set -l here module
    if __modutils_rs_given -r --remove --save-settings --show-settings
        set here loaded
    else if not __modutils_rs_given -a --all; and test -n "$(__modutils_rs_operands modprobe)"
        set here parameter
    else if string match -qr '^(/|\./)' -- (commandline -ct)
        set here file
    end
    test $here = $what
end

complete -c modprobe -n '__modutils_rs_is module' -a '(__modutils_rs_modules)'
complete -c modprobe -n '__modutils_rs_is loaded' -a '(__modutils_rs_loaded)'
complete -c modprobe -n '__modutils_rs_is parameter' -a '(__modutils_rs_parameters modprobe)'
complete -c modprobe -n '__modutils_rs_is file' -F
complete -c rmmod -a '(__modutils_rs_loaded)'
complete -c depmod -n 'test -z "$(__modutils_rs_operands depmod)"' -a '(__modutils_rs_releases depmod)'
complete -c depmod -n 'test -n "$(__modutils_rs_operands depmod)"' -F
complete -c insmod -n 'test -z "$(__modutils_rs_operands insmod)"' -F
complete -c insmod -n 'test -n "$(__modutils_rs_operands insmod)"' -a '(__modutils_rs_parameters insmod)'
complete -c lsmod -n '__modutils_rs_given --json --tree --why' -a '(__modutils_rs_loaded)'
complete -c modinfo -n 'not string match -qr "/|^\\." -- (commandline -ct)' -a '(__modutils_rs_modules)'
complete -c modinfo -n 'string match -qr "/|^\\." -- (commandline -ct)' -F
complete -c kmod -n 'test -z "$(__modutils_rs_operands kmod)"' -a 'help list static-nodes devices graph'
complete -c kmod -n '__modutils_rs_command graph' -a '(__modutils_rs_modules)'
complete -c kmod -n '__modutils_rs_command list; and __modutils_rs_given --json --tree --why' -a '(__modutils_rs_loaded)'
