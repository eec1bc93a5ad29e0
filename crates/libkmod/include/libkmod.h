/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * The modules of the Linux kernel, for programs in C and C++.
 *
 * Results. Functions that return an int return a negative error number of errno.h when they fail, which errno holds
 * as well; 0, or a count, when they succeed. Functions that return a pointer return NULL when they fail or have
 * nothing to give. NULL in the place of an object is answered as a failure.
 *
 * Ownership. Contexts and modules count their references: whoever is given one gives it back with the matching
 * unref. Lists belong to the caller, who frees them with the function that is named for their kind. Strings belong
 * to the object that they came from and live as long; nothing is ever given to free(3).
 *
 * Threads. A context and all that came from it are for one thread at a time. Contexts do not know of each other.
 */
#ifndef LIBKMOD_H
#define LIBKMOD_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------------
 * Contexts: the modules of one kernel, and the configuration as it is when the context is made
 * --------------------------------------------------------------------------------------------------------------- */

struct kmod_ctx;

/*
 * A context for the modules in dirname, or in /lib/modules/RELEASE of the running kernel if it is NULL.
 * config_paths names directories or files of configuration, the first ones first, and ends with NULL; if it is NULL
 * itself, the system's modprobe.d directories are meant. Both are copied. The kernel's command line always counts.
 */
struct kmod_ctx *kmod_new(const char *dirname, const char *const *config_paths);
struct kmod_ctx *kmod_ref(struct kmod_ctx *ctx);
/* The context, or NULL if that was its last reference. Modules hold references, so it may outlive the caller's. */
struct kmod_ctx *kmod_unref(struct kmod_ctx *ctx);

/* The module directory, absolute. */
const char *kmod_get_dirname(const struct kmod_ctx *ctx);

/* A pointer of the caller's, which the library only keeps. */
void *kmod_get_userdata(const struct kmod_ctx *ctx);
void kmod_set_userdata(struct kmod_ctx *ctx, const void *userdata);

/*
 * Messages go to standard error up to the priority LOG_ERR of syslog(3), or that which KMOD_LOG in the environment
 * says. A function of the caller's gets them instead, each with its newline; with NULL for a function nobody does.
 */
void kmod_set_log_fn(struct kmod_ctx *ctx,
		     void (*log_fn)(void *log_data, int priority, const char *file, int line, const char *fn,
				    const char *format, va_list args),
		     const void *data);
int kmod_get_log_priority(const struct kmod_ctx *ctx);
void kmod_set_log_priority(struct kmod_ctx *ctx, int priority);

/* ------------------------------------------------------------------------------------------------------------------
 * Indexes
 * --------------------------------------------------------------------------------------------------------------- */

/* Whether what a context was made of is still what is there. */
enum kmod_resources {
	KMOD_RESOURCES_OK = 0,
	/* An index has changed: unload and load the resources. */
	KMOD_RESOURCES_MUST_RELOAD = 1,
	/* The configuration has changed: make another context. */
	KMOD_RESOURCES_MUST_RECREATE = 2,
};

/* Opens the indexes of the module directory and keeps them open. Without it they are opened for each question. */
int kmod_load_resources(struct kmod_ctx *ctx);
void kmod_unload_resources(struct kmod_ctx *ctx);
int kmod_validate_resources(struct kmod_ctx *ctx);

enum kmod_index {
	KMOD_INDEX_MODULES_DEP = 0,
	KMOD_INDEX_MODULES_ALIAS = 1,
	KMOD_INDEX_MODULES_SYMBOL = 2,
	KMOD_INDEX_MODULES_BUILTIN_ALIAS = 3,
	KMOD_INDEX_MODULES_BUILTIN = 4,
	/* Makes the type 32 bits wide for every compiler. */
	_KMOD_INDEX_PAD = 1U << 31,
};

/* Writes all entries of an index to a file descriptor, a line each. */
int kmod_dump_index(struct kmod_ctx *ctx, enum kmod_index type, int fd);

/* ------------------------------------------------------------------------------------------------------------------
 * Configuration, line by line
 *
 * An iterator begins before the first line: go to a line first, then ask for its key and value. After the last line
 * it begins again. It must not be used after its context.
 * --------------------------------------------------------------------------------------------------------------- */

struct kmod_config_iter;

struct kmod_config_iter *kmod_config_get_blacklists(const struct kmod_ctx *ctx);
struct kmod_config_iter *kmod_config_get_install_commands(const struct kmod_ctx *ctx);
struct kmod_config_iter *kmod_config_get_remove_commands(const struct kmod_ctx *ctx);
struct kmod_config_iter *kmod_config_get_aliases(const struct kmod_ctx *ctx);
struct kmod_config_iter *kmod_config_get_options(const struct kmod_ctx *ctx);
struct kmod_config_iter *kmod_config_get_softdeps(const struct kmod_ctx *ctx);
struct kmod_config_iter *kmod_config_get_weakdeps(const struct kmod_ctx *ctx);

/* The name or pattern that a line begins with. */
const char *kmod_config_iter_get_key(const struct kmod_config_iter *iter);
/* The rest. That of softdeps and weakdeps is put together, and holds until the iterator is asked again. */
const char *kmod_config_iter_get_value(const struct kmod_config_iter *iter);
/* Goes to the next line; false if there is none. */
bool kmod_config_iter_next(struct kmod_config_iter *iter);
void kmod_config_iter_free_iter(struct kmod_config_iter *iter);

/* ------------------------------------------------------------------------------------------------------------------
 * Lists: the first node stands for the list, and NULL is the empty list
 * --------------------------------------------------------------------------------------------------------------- */

struct kmod_list;

/* NULL at the end of the list, or at its beginning. */
struct kmod_list *kmod_list_next(const struct kmod_list *list, const struct kmod_list *curr);
struct kmod_list *kmod_list_prev(const struct kmod_list *list, const struct kmod_list *curr);
struct kmod_list *kmod_list_last(const struct kmod_list *list);

#define kmod_list_foreach(curr, list) \
	for ((curr) = (list); (curr) != NULL; (curr) = kmod_list_next((list), (curr)))

#define kmod_list_foreach_reverse(curr, list) \
	for ((curr) = kmod_list_last(list); (curr) != NULL; (curr) = kmod_list_prev((list), (curr)))

/* ------------------------------------------------------------------------------------------------------------------
 * Modules
 *
 * A context has one object for each name, or name and alias: who asks twice is given the same pointer twice.
 * --------------------------------------------------------------------------------------------------------------- */

struct kmod_module;

/* The module of that name, whether there is one or not. */
int kmod_module_new_from_name(struct kmod_ctx *ctx, const char *name, struct kmod_module **mod);
/* The module in that file, which must exist. -EEXIST if the module is known from another path. */
int kmod_module_new_from_path(struct kmod_ctx *ctx, const char *path, struct kmod_module **mod);
/* The module of exactly that name, if it is installed or built in; *mod stays as it is if there is none. */
int kmod_module_new_from_name_lookup(struct kmod_ctx *ctx, const char *modname, struct kmod_module **mod);
/* All modules that a name or an alias means. *list must be NULL, and stays so if nothing is found. */
int kmod_module_new_from_lookup(struct kmod_ctx *ctx, const char *given_alias, struct kmod_list **list);
/* All modules that are loaded. */
int kmod_module_new_from_loaded(struct kmod_ctx *ctx, struct kmod_list **list);

struct kmod_module *kmod_module_ref(struct kmod_module *mod);
/* The module, or NULL if that was its last reference. */
struct kmod_module *kmod_module_unref(struct kmod_module *mod);
/* Gives back the modules of a list and frees it. */
int kmod_module_unref_list(struct kmod_list *list);
/* The module in a node, with a reference for the caller. */
struct kmod_module *kmod_module_get_module(const struct kmod_list *entry);

enum kmod_filter {
	KMOD_FILTER_BLACKLIST = 1,
	KMOD_FILTER_BUILTIN = 2,
};

/* The modules of a list without those that are blacklisted, or built in. */
int kmod_module_apply_filter(const struct kmod_ctx *ctx, enum kmod_filter filter_type,
			     const struct kmod_list *input, struct kmod_list **output);
int kmod_module_get_filtered_blacklist(const struct kmod_ctx *ctx, const struct kmod_list *input,
				       struct kmod_list **output);

/* ---- what the database and the configuration say ---- */

const char *kmod_module_get_name(const struct kmod_module *mod);
/* NULL for what is built into the kernel, or unknown. */
const char *kmod_module_get_path(const struct kmod_module *mod);
/* The parameters of all options lines for it, or NULL. */
const char *kmod_module_get_options(const struct kmod_module *mod);
/* The command that stands for loading or unloading it, or NULL. */
const char *kmod_module_get_install_commands(const struct kmod_module *mod);
const char *kmod_module_get_remove_commands(const struct kmod_module *mod);
/* All modules that it needs, in the order in which they must be loaded. */
struct kmod_list *kmod_module_get_dependencies(const struct kmod_module *mod);
/* What should be loaded before and after it. The lists must be NULL. */
int kmod_module_get_softdeps(const struct kmod_module *mod, struct kmod_list **pre, struct kmod_list **post);
/* What it may use once it is loaded. */
int kmod_module_get_weakdeps(const struct kmod_module *mod, struct kmod_list **weak);

/* ---- what the kernel says ---- */

enum kmod_module_initstate {
	KMOD_MODULE_BUILTIN = 0,
	KMOD_MODULE_LIVE = 1,
	KMOD_MODULE_COMING = 2,
	KMOD_MODULE_GOING = 3,
	/* Makes the type 32 bits wide for every compiler. */
	_KMOD_MODULE_PAD = 1U << 31,
};

const char *kmod_module_initstate_str(enum kmod_module_initstate state);
/* A state, or -ENOENT if the module is not in the kernel. */
int kmod_module_get_initstate(const struct kmod_module *mod);
int kmod_module_get_refcnt(const struct kmod_module *mod);
/* In bytes. */
long kmod_module_get_size(const struct kmod_module *mod);
struct kmod_list *kmod_module_get_holders(const struct kmod_module *mod);

struct kmod_list *kmod_module_get_sections(const struct kmod_module *mod);
const char *kmod_module_section_get_name(const struct kmod_list *entry);
/* 0 for those who may not know. */
unsigned long kmod_module_section_get_address(const struct kmod_list *entry);
void kmod_module_section_free_list(struct kmod_list *list);

/* ---- loading and unloading ---- */

enum kmod_insert {
	/* Leave out the check of the version and features of the kernel that it was built for. */
	KMOD_INSERT_FORCE_VERMAGIC = 0x1,
	/* Leave out the checks of the checksums of the symbols that it uses. */
	KMOD_INSERT_FORCE_MODVERSION = 0x2,
};

/* Loads this one module with these parameters and nothing else. */
int kmod_module_insert_module(struct kmod_module *mod, unsigned int flags, const char *options);

enum kmod_probe {
	KMOD_PROBE_FORCE_VERMAGIC = 0x00001,
	KMOD_PROBE_FORCE_MODVERSION = 0x00002,
	/* Leave the install command and the softdeps of the module itself aside. */
	KMOD_PROBE_IGNORE_COMMAND = 0x00004,
	/* As if nothing were loaded. */
	KMOD_PROBE_IGNORE_LOADED = 0x00008,
	/* Only show what would be done. */
	KMOD_PROBE_DRY_RUN = 0x00010,
	/* -EEXIST if the module is loaded already, which is a success otherwise. */
	KMOD_PROBE_FAIL_ON_LOADED = 0x00020,

	/* What the blacklist keeps out is not loaded, and the flag is returned. */
	KMOD_PROBE_APPLY_BLACKLIST_ALL = 0x10000,
	KMOD_PROBE_APPLY_BLACKLIST = 0x20000,
	KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY = 0x40000,
};

/*
 * Loads a module with all that it needs and all that the configuration says of it. run_install runs an install
 * command in the place of the library, and its result counts; print_action is shown each module before it is loaded.
 * Returns 0, a negative error number, one of the three flags of the blacklist, or what run_install returned last.
 */
int kmod_module_probe_insert_module(struct kmod_module *mod, unsigned int flags, const char *extra_options,
				    int (*run_install)(struct kmod_module *m, const char *cmdline, void *data),
				    const void *data,
				    void (*print_action)(struct kmod_module *m, bool install, const char *options));

enum kmod_remove {
	KMOD_REMOVE_FORCE = O_TRUNC,
	/* Has no effect: the kernel never waits. */
	KMOD_REMOVE_NOWAIT = O_NONBLOCK,
	/* Say nothing of a failure. */
	KMOD_REMOVE_NOLOG = 1,
};

int kmod_module_remove_module(struct kmod_module *mod, unsigned int flags);

/* ------------------------------------------------------------------------------------------------------------------
 * What a module's file says
 *
 * Each function returns the number of entries, and the list must be NULL before.
 * --------------------------------------------------------------------------------------------------------------- */

int kmod_module_get_info(const struct kmod_module *mod, struct kmod_list **list);
const char *kmod_module_info_get_key(const struct kmod_list *entry);
const char *kmod_module_info_get_value(const struct kmod_list *entry);
void kmod_module_info_free_list(struct kmod_list *list);

/* The symbols that it was built against, and their checksums then. */
int kmod_module_get_versions(const struct kmod_module *mod, struct kmod_list **list);
const char *kmod_module_version_get_symbol(const struct kmod_list *entry);
uint64_t kmod_module_version_get_crc(const struct kmod_list *entry);
void kmod_module_versions_free_list(struct kmod_list *list);

/* The symbols that it exports. */
int kmod_module_get_symbols(const struct kmod_module *mod, struct kmod_list **list);
const char *kmod_module_symbol_get_symbol(const struct kmod_list *entry);
uint64_t kmod_module_symbol_get_crc(const struct kmod_list *entry);
void kmod_module_symbols_free_list(struct kmod_list *list);

enum kmod_symbol_bind {
	KMOD_SYMBOL_NONE = '\0',
	KMOD_SYMBOL_LOCAL = 'L',
	KMOD_SYMBOL_GLOBAL = 'G',
	KMOD_SYMBOL_WEAK = 'W',
	KMOD_SYMBOL_UNDEF = 'U',
};

/* The symbols that it needs. */
int kmod_module_get_dependency_symbols(const struct kmod_module *mod, struct kmod_list **list);
const char *kmod_module_dependency_symbol_get_symbol(const struct kmod_list *entry);
int kmod_module_dependency_symbol_get_bind(const struct kmod_list *entry);
uint64_t kmod_module_dependency_symbol_get_crc(const struct kmod_list *entry);
void kmod_module_dependency_symbols_free_list(struct kmod_list *list);

#ifdef __cplusplus
}
#endif

#endif
