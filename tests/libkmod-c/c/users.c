/* What the programs that link the library do with it, call by call: their orders, their loops, what they look at. */
#include <libgen.h>
#include <regex.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "show.h"

/*
 * udev's builtin: one context for the life of a worker, asked every few seconds whether it still holds; aliases that
 * kernel events bring, loaded with the blacklist applied; numbers that decide what goes to the journal.
 */
static struct kmod_ctx *udev_context(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	if (ctx == NULL) {
		printf("no context\n");
		exit(1);
	}
	kmod_set_log_fn(ctx, print_message, "udev");
	printf("load: %d\n", kmod_load_resources(ctx));
	return ctx;
}

static void load_and_warn(struct kmod_ctx *ctx, const char *what, bool verbose)
{
	struct kmod_list *list = NULL, *node;
	int result = kmod_module_new_from_lookup(ctx, what, &list);
	if (result < 0 || list == NULL) {
		printf("%s: %d, nothing\n", what, result);
		return;
	}
	kmod_list_foreach(node, list)
	{
		struct kmod_module *mod = kmod_module_get_module(node);
		int state = kmod_module_get_initstate(mod);
		const char *name = kmod_module_get_name(mod);
		if (state == KMOD_MODULE_BUILTIN || state == KMOD_MODULE_LIVE) {
			printf("%s: %s is there: %d\n", what, name, state);
			kmod_module_unref(mod);
			continue;
		}
		result = kmod_module_probe_insert_module(mod, KMOD_PROBE_APPLY_BLACKLIST, NULL, NULL, NULL, NULL);
		if (result == 0)
			printf("%s: %s inserted\n", what, name);
		else if (result == KMOD_PROBE_APPLY_BLACKLIST)
			printf("%s: %s is blacklisted\n", what, name);
		else if (result < 0)
			printf("%s: %s failed: %d%s\n", what, name, result, verbose ? " loudly" : "");
		else {
			/* systemd asserts that there is nothing else. */
			printf("%s: %s: %d\n", what, name, result);
			abort();
		}
		kmod_module_unref(mod);
	}
	kmod_module_unref_list(list);
}

static void test_udev(void)
{
	struct kmod_ctx *ctx = udev_context();
	static const char *const events[] = { "pci:v0000001d0000000200sv",
					      "acpi:PNP0C0A:",
					      "usb:v1D6Bp0002",
					      "fs-inner",
					      "black-alias",
					      "inner-alias",
					      "al-top",
					      "top",
					      "cmd-writes",
					      NULL };
	for (int i = 0; events[i] != NULL; i++)
		load_and_warn(ctx, events[i], false);
	printf("still holds: %d\n", kmod_validate_resources(ctx));
	FILE *file = fopen("/etc/modprobe.d/zz-new.conf", "w");
	if (file != NULL) {
		fputs("blacklist lone\n", file);
		fclose(file);
	}
	if (kmod_validate_resources(ctx) == KMOD_RESOURCES_MUST_RECREATE) {
		printf("again\n");
		ctx = kmod_unref(ctx);
		printf("gone: %d\n", ctx == NULL);
		ctx = udev_context();
		load_and_warn(ctx, "lone", false);
	}
	unlink("/etc/modprobe.d/zz-new.conf");
	unlink("/written");
	kmod_unref(ctx);
}

/* systemd-modules-load: names from files, each loaded loudly. */
static void test_modules_load(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	kmod_set_log_fn(ctx, print_message, "systemd");
	(void)kmod_load_resources(ctx);
	static const char *const names[] = { "top", "nowhere", "inside", "black", "needgone", "snd-hda", NULL };
	for (int i = 0; names[i] != NULL; i++)
		load_and_warn(ctx, names[i], true);
	kmod_unref(ctx);
}

/* lspci -k: the kernel's own directory, silence where nothing is found, each name once. */
static void test_lspci(void)
{
	struct kmod_ctx *ctx = kmod_new(MODULES, NULL);
	int result = kmod_load_resources(ctx);
	if (result < 0) {
		printf("lspci: Unable to load libkmod resources: error %d\n", result);
		return;
	}
	static const char *const devices[] = { "pci:v00000001d00000002sv*", "pci:v0000001d0000000200sv", "pci:v9d9", NULL };
	for (int i = 0; devices[i] != NULL; i++) {
		struct kmod_list *list = NULL, *node;
		result = kmod_module_new_from_lookup(ctx, devices[i], &list);
		printf("%s: %d", devices[i], result);
		kmod_list_foreach(node, list)
		{
			struct kmod_module *mod = kmod_module_get_module(node);
			printf(" %s", kmod_module_get_name(mod));
			kmod_module_unref(mod);
		}
		printf("\n");
		kmod_module_unref_list(list);
	}
	kmod_unref(ctx);
}

/*
 * dracut-install: an image for another root. Modules by path or name, their dependencies, softdeps and weakdeps,
 * firmware; a filter that asks for symbols with the accessor of another kind.
 */
static void dracut_install(struct kmod_ctx *ctx, struct kmod_module *mod, int depth)
{
	const char *path = kmod_module_get_path(mod), *name = kmod_module_get_name(mod);
	if (path == NULL) {
		printf("%*s%s is built in or unknown\n", depth, "", name);
		return;
	}
	struct stat st;
	printf("%*s%s %s %d\n", depth, "", name, path, stat(path, &st));
	struct kmod_list *list = NULL, *node, *pre = NULL, *post = NULL;
	if (kmod_module_get_info(mod, &list) >= 0)
		kmod_list_foreach(node, list)
			if (strcmp(kmod_module_info_get_key(node), "firmware") == 0)
				printf("%*sfirmware %s\n", depth, "", kmod_module_info_get_value(node));
	kmod_module_info_free_list(list);
	list = kmod_module_get_dependencies(mod);
	kmod_list_foreach(node, list)
	{
		struct kmod_module *other = kmod_module_get_module(node);
		dracut_install(ctx, other, depth + 2);
		kmod_module_unref(other);
	}
	kmod_module_unref_list(list);
	if (kmod_module_get_softdeps(mod, &pre, &post) == 0) {
		kmod_list_foreach(node, pre)
		{
			struct kmod_module *other = kmod_module_get_module(node);
			printf("%*sbefore: %s\n", depth, "", kmod_module_get_name(other));
			kmod_module_unref(other);
		}
		kmod_list_foreach(node, post)
		{
			struct kmod_module *other = kmod_module_get_module(node);
			printf("%*safter: %s\n", depth, "", kmod_module_get_name(other));
			kmod_module_unref(other);
		}
	}
	kmod_module_unref_list(pre);
	kmod_module_unref_list(post);
}

static void test_dracut(void)
{
	struct kmod_ctx *ctx = kmod_new(MODULES, NULL);
	kmod_load_resources(ctx);
	const char *directory = kmod_get_dirname(ctx);
	printf("%s\n", strstr(directory, "/lib/modules/"));
	static const char *const wanted[] = { MODULES "/kernel/top.ko", "/conf/base.ko", "softly", "firm", "inside",
					      "al-top", "nowhere", NULL };
	for (int i = 0; wanted[i] != NULL; i++) {
		struct kmod_module *given = NULL;
		struct kmod_list *list = NULL, *node;
		char *copy = strdup(wanted[i]);
		const char *name = wanted[i];
		if (*name == '/') {
			int result = kmod_module_new_from_path(ctx, name, &given);
			if (result < 0) {
				printf("failed to look up path '%s': %m\n", name);
				free(copy);
				continue;
			}
			name = kmod_module_get_name(given);
		}
		int result = kmod_module_new_from_lookup(ctx, name, &list);
		printf("%s: %d\n", wanted[i], result);
		kmod_module_unref(given);
		kmod_list_foreach(node, list)
		{
			struct kmod_module *mod = kmod_module_get_module(node);
			dracut_install(ctx, mod, 1);
			kmod_module_unref(mod);
		}
		kmod_module_unref_list(list);
		free(copy);
	}
	kmod_unref(ctx);
}

/* The same program's filter by symbols, with regular expressions that are anchored nowhere. */
static void test_dracut_filter(void)
{
	struct kmod_ctx *ctx = kmod_new(MODULES, NULL);
	struct kmod_module *mod = named(ctx, "top");
	struct kmod_list *list = NULL, *node;
	regex_t expression;
	regcomp(&expression, "mid_sym", REG_NOSUB | REG_EXTENDED);
	int result = kmod_module_get_dependency_symbols(mod, &list);
	printf("%d\n", result);
	kmod_list_foreach(node, list)
	{
		const char *symbol = kmod_module_symbol_get_symbol(node);
		printf("%d\n", regexec(&expression, symbol, 0, NULL, 0));
	}
	regfree(&expression);
	kmod_module_dependency_symbols_free_list(list);
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

/* libblockdev: a context for each call, without configuration, and each failure is the user's. */
static void test_libblockdev(void)
{
	const char *none[] = { NULL };
	static const char *const names[] = { "top", "nowhere", "inside", "base", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_ctx *ctx = kmod_new(NULL, none);
		kmod_set_log_fn(ctx, print_message, "bd");
		kmod_set_log_priority(ctx, 6);
		struct kmod_module *mod = NULL;
		printf("%s: %d", names[i], kmod_module_new_from_name(ctx, names[i], &mod));
		printf(" path %s\n", text(kmod_module_get_path(mod)));
		if (kmod_module_get_path(mod) != NULL) {
			int state = kmod_module_get_initstate(mod);
			printf("state %d\n", state);
			if (state == KMOD_MODULE_LIVE)
				printf("%d\n", kmod_module_probe_insert_module(mod, KMOD_PROBE_FAIL_ON_LOADED, NULL,
									       NULL, NULL, NULL));
		}
		kmod_module_unref(mod);
		kmod_set_log_fn(ctx, NULL, NULL);
		kmod_unref(ctx);
	}
	/* Is a module loaded? The loop is left early. */
	struct kmod_ctx *ctx = kmod_new(NULL, none);
	struct kmod_list *list = NULL, *node;
	printf("loaded: %d\n", kmod_module_new_from_loaded(ctx, &list));
	kmod_list_foreach(node, list)
	{
		struct kmod_module *mod = kmod_module_get_module(node);
		bool found = strcmp(kmod_module_get_name(mod), "base") == 0;
		kmod_module_unref(mod);
		if (found) {
			printf("found\n");
			break;
		}
	}
	kmod_module_unref_list(list);
	kmod_unref(ctx);
}

/* lttng-sessiond: many modules by name, loaded in order and unloaded in reverse; errno is what it prints. */
static void test_lttng(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	kmod_set_log_fn(ctx, print_message, "lttng");
	int result = kmod_load_resources(ctx);
	printf("%d\n", result);
	static const char *const names[] = { "base", "nowhere", "inside", "top", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_module *mod = NULL;
		result = kmod_module_new_from_name(ctx, names[i], &mod);
		if (result < 0) {
			printf("%m\n");
			continue;
		}
		if (kmod_module_get_initstate(mod) == KMOD_MODULE_LIVE || strcmp(names[i], "nowhere") == 0) {
			result = kmod_module_probe_insert_module(mod, 0, NULL, NULL, NULL, NULL);
			printf("%s: %d", names[i], result);
			if (result < 0)
				printf(" %m");
			printf("\n");
		}
		struct kmod_list *node, *list = kmod_module_get_dependencies(mod);
		kmod_list_foreach(node, list)
		{
			struct kmod_module *other = kmod_module_get_module(node);
			printf(" needs %s, used by %d\n", kmod_module_get_name(other), kmod_module_get_refcnt(other));
			kmod_module_unref(other);
		}
		kmod_module_unref_list(list);
		kmod_module_unref(mod);
	}
	kmod_unref(ctx);
}

/* libndctl and daxctl: the first module of a lookup, kept for the life of the program. */
static void test_ndctl(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	struct kmod_list *list = NULL;
	kmod_module_new_from_lookup(ctx, "shared", &list);
	struct kmod_module *mod = list != NULL ? kmod_module_get_module(list) : NULL;
	kmod_module_unref_list(list);
	kmod_unref(ctx);
	printf("%s %s\n", text(kmod_module_get_name(mod)), text(kmod_module_get_path(mod)));
	kmod_module_unref(mod);
}

/* intel-gpu-tools: parameters and holders of a module, with a comma between where more follow. */
static void test_igt(void)
{
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	kmod_set_log_fn(ctx, print_message, "igt");
	struct kmod_module *mod = named(ctx, "base");
	struct kmod_list *node, *list = kmod_module_get_holders(mod);
	kmod_list_foreach(node, list)
	{
		struct kmod_module *holder = kmod_module_get_module(node);
		printf("%s%s", kmod_module_get_name(holder), kmod_list_next(list, node) != NULL ? "," : "\n");
		kmod_module_unref(holder);
	}
	kmod_module_unref_list(list);
	kmod_module_unref(mod);
	mod = named(ctx, "firm");
	list = NULL;
	printf("%d\n", kmod_module_get_info(mod, &list) > 0);
	kmod_list_foreach(node, list)
		if (strcmp(kmod_module_info_get_key(node), "parmtype") == 0)
			printf("%s\n", kmod_module_info_get_value(node));
	kmod_module_info_free_list(list);
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static void children_end(int number)
{
	int before = errno;
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	errno = before;
}

/* A daemon that waits for whichever of its children has ended, whenever it is told of one: commands are children, too. */
static void test_daemon(void)
{
	struct sigaction action = { .sa_handler = children_end }, old;
	int failures = 0;
	sigaction(SIGCHLD, &action, &old);
	struct kmod_ctx *ctx = kmod_new(NULL, NULL);
	struct kmod_module *mod = named(ctx, "cmd-writes");
	for (int i = 0; i < 20; i++)
		if (kmod_module_probe_insert_module(mod, 0, NULL, NULL, NULL, NULL) != 0)
			failures++;
	printf("failures: %d\n", failures);
	kmod_module_unref(mod);
	kmod_unref(ctx);
	sigaction(SIGCHLD, &old, NULL);
}

#define TEST(name) { #name, test_##name }
static const struct test tests[] = {
	TEST(udev),	   TEST(modules_load), TEST(lspci), TEST(dracut), TEST(dracut_filter),
	TEST(libblockdev), TEST(lttng),	       TEST(ndctl), TEST(igt),	  TEST(daemon),
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_test(tests, argc, argv);
}
