/* Each function that kmod 30 has alone, in tests of the functions' names. */
#include <limits.h>
#include <unistd.h>

#include "show.h"

/* ---- contexts ---- */

static void test_kmod_new(void)
{
	static const char *const names[] = { MODULES, "/a//b/../c/", "relative", "", "/nonexistent", NULL };
	const char *none[] = { NULL };
	const char *one[] = { "/conf/extra.conf", NULL };
	struct kmod_ctx *ctx;
	for (int i = 0; i == 0 || names[i - 1] != NULL; i++) {
		ctx = kmod_new(names[i], NULL);
		printf("%s: %s\n", text(names[i]), text(kmod_get_dirname(ctx)));
		kmod_unref(ctx);
	}
	/* The array may be gone as soon as the context is made. */
	char *copy = strdup(one[0]);
	one[0] = copy;
	ctx = kmod_new(MODULES, one);
	memset(copy, 'x', strlen(copy));
	free(copy);
	struct kmod_module *mod = named(ctx, "extra");
	printf("options of a file: %s\n", text(kmod_module_get_options(mod)));
	kmod_module_unref(mod);
	kmod_unref(ctx);
	ctx = kmod_new(MODULES, none);
	mod = named(ctx, "top");
	printf("options without configuration: %s\n", text(kmod_module_get_options(mod)));
	struct kmod_list *pre = NULL, *post = NULL;
	struct kmod_module *soft = named(ctx, "softly");
	printf("softdeps of the database: %d\n", kmod_module_get_softdeps(soft, &pre, &post));
	print_modules("pre", pre);
	kmod_module_unref_list(pre);
	kmod_module_unref_list(post);
	kmod_module_unref(soft);
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static void test_kmod_ref(void)
{
	struct kmod_ctx *ctx = world();
	printf("same: %d\n", kmod_ref(ctx) == ctx);
	printf("one left: %d\n", kmod_unref(ctx) == ctx);
	printf("none left: %d\n", kmod_unref(ctx) == NULL);
	printf("of nothing: %d\n", kmod_ref(NULL) == NULL);
}

static void test_kmod_unref(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_module *mod = named(ctx, "top");
	printf("a module holds it: %d\n", kmod_unref(ctx) == ctx);
	printf("the module goes on: %s\n", text(kmod_module_get_path(mod)));
	printf("gone: %d\n", kmod_module_unref(mod) == NULL);
	printf("of nothing: %d\n", kmod_unref(NULL) == NULL);
}

static void test_kmod_get_dirname(void)
{
	struct kmod_ctx *ctx = world();
	printf("%s %d\n", kmod_get_dirname(ctx), kmod_get_dirname(ctx) == kmod_get_dirname(ctx));
	kmod_unref(ctx);
}

static void test_kmod_set_log_fn(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = (struct kmod_list *)ctx;
	kmod_set_log_priority(ctx, 6);
	log_to_stdout(ctx);
	kmod_module_new_from_lookup(ctx, "top", &list);
	kmod_set_log_fn(ctx, NULL, NULL);
	kmod_module_new_from_lookup(ctx, "top", &list);
	log_to_stdout(ctx);
	kmod_set_log_priority(ctx, 2);
	kmod_module_new_from_lookup(ctx, "top", &list);
	kmod_set_log_fn(NULL, NULL, NULL);
	kmod_unref(ctx);
}

static void test_kmod_get_log_priority(void)
{
	static const char *const values[] = { "7", " 6",  "-1",	 "7 x",	  "err", "errors", "information",
					      "debug", "warn", "",   "7x", "0x7", "emerg",  NULL };
	for (int i = 0; values[i] != NULL; i++) {
		setenv("KMOD_LOG", values[i], 1);
		struct kmod_ctx *ctx = world();
		kmod_set_log_fn(ctx, NULL, NULL);
		printf("'%s': %d\n", values[i], kmod_get_log_priority(ctx));
		kmod_unref(ctx);
	}
	unsetenv("KMOD_LOG");
	struct kmod_ctx *ctx = world();
	printf("without: %d, of nothing %d\n", kmod_get_log_priority(ctx), kmod_get_log_priority(NULL));
	kmod_unref(ctx);
}

static void test_kmod_set_log_priority(void)
{
	struct kmod_ctx *ctx = world();
	static const int values[] = { 0, 3, 7, 100, -5 };
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		kmod_set_log_priority(ctx, values[i]);
		printf("%d\n", kmod_get_log_priority(ctx));
	}
	kmod_set_log_priority(NULL, 3);
	kmod_set_log_priority(ctx, 3);
	kmod_unref(ctx);
}

static void test_kmod_get_userdata(void)
{
	struct kmod_ctx *ctx = world();
	printf("%d %d\n", kmod_get_userdata(ctx) == NULL, kmod_get_userdata(NULL) == NULL);
	kmod_unref(ctx);
}

static void test_kmod_set_userdata(void)
{
	struct kmod_ctx *ctx = world();
	kmod_set_userdata(ctx, &ctx);
	printf("%d\n", kmod_get_userdata(ctx) == &ctx);
	kmod_set_userdata(ctx, NULL);
	printf("%d\n", kmod_get_userdata(ctx) == NULL);
	kmod_set_userdata(NULL, &ctx);
	kmod_unref(ctx);
}

/* ---- resources ---- */

static void test_kmod_load_resources(void)
{
	struct kmod_ctx *ctx = world();
	printf("%d\n", kmod_load_resources(ctx));
	kmod_set_log_priority(ctx, 6);
	log_to_stdout(ctx);
	printf("again: %d\n", kmod_load_resources(ctx));
	lookup(ctx, "top");
	printf("of nothing: %d\n", kmod_load_resources(NULL));
	kmod_set_log_fn(ctx, NULL, NULL);
	kmod_unref(ctx);
	ctx = kmod_new("/nonexistent", NULL);
	kmod_set_log_fn(ctx, NULL, NULL);
	printf("without a directory: %d\n", kmod_load_resources(ctx));
	printf("errno: %d\n", errno);
	kmod_unref(ctx);
}

static void test_kmod_unload_resources(void)
{
	struct kmod_ctx *ctx = world();
	kmod_unload_resources(ctx);
	printf("%d\n", kmod_load_resources(ctx));
	kmod_unload_resources(ctx);
	lookup(ctx, "top");
	printf("%d\n", kmod_validate_resources(ctx));
	kmod_unload_resources(NULL);
	kmod_unref(ctx);
}

static void touch(const char *path)
{
	FILE *file = fopen(path, "a");
	if (file == NULL)
		printf("cannot write %s\n", path);
	else
		fclose(file);
}

static void test_kmod_validate_resources(void)
{
	struct kmod_ctx *ctx = world();
	printf("fresh: %d\n", kmod_validate_resources(ctx));
	kmod_load_resources(ctx);
	printf("loaded: %d\n", kmod_validate_resources(ctx));
	usleep(20000);
	rename(MODULES "/modules.symbols.bin", MODULES "/aside");
	printf("an index is gone: %d\n", kmod_validate_resources(ctx));
	rename(MODULES "/aside", MODULES "/modules.symbols.bin");
	printf("it is back: %d\n", kmod_validate_resources(ctx));
	touch("/etc/modprobe.d/new.conf");
	printf("a file is new: %d\n", kmod_validate_resources(ctx));
	unlink("/etc/modprobe.d/new.conf");
	printf("of nothing: %d\n", kmod_validate_resources(NULL));
	kmod_unref(ctx);
}

static void test_kmod_dump_index(void)
{
	struct kmod_ctx *ctx = world();
	for (int type = 0; type < 5; type++) {
		printf("== %d\n", type);
		printf("-- %d\n", kmod_dump_index(ctx, type, 1));
	}
	printf("no such index: %d\n", kmod_dump_index(ctx, 5, 1));
	printf("no descriptor: %d\n", kmod_dump_index(ctx, 0, -1));
	printf("no context: %d\n", kmod_dump_index(NULL, 0, 1));
	kmod_load_resources(ctx);
	printf("loaded: %d\n", kmod_dump_index(ctx, KMOD_INDEX_MODULES_DEP, 1));
	kmod_unref(ctx);
	ctx = kmod_new("/nonexistent", NULL);
	kmod_set_log_fn(ctx, NULL, NULL);
	printf("no directory: %d\n", kmod_dump_index(ctx, KMOD_INDEX_MODULES_DEP, 1));
	kmod_unref(ctx);
}

/* ---- configuration ---- */

static void print_lines(struct kmod_config_iter *iter)
{
	if (iter == NULL) {
		printf("no iterator\n");
		return;
	}
	printf("before: %s %s\n", text(kmod_config_iter_get_key(iter)), text(kmod_config_iter_get_value(iter)));
	while (kmod_config_iter_next(iter)) {
		const char *key = kmod_config_iter_get_key(iter);
		printf("<%s> <%s>\n", text(key), text(kmod_config_iter_get_value(iter)));
	}
	bool more = kmod_config_iter_next(iter);
	printf("again: %d %s\n", more, text(kmod_config_iter_get_key(iter)));
	kmod_config_iter_free_iter(iter);
}

#define ITERATOR(kind)                                        \
	static void test_kmod_config_get_##kind(void)         \
	{                                                     \
		struct kmod_ctx *ctx = world();               \
		print_lines(kmod_config_get_##kind(ctx));     \
		printf("%d\n", kmod_config_get_##kind(NULL) == NULL); \
		kmod_unref(ctx);                              \
	}
ITERATOR(blacklists)
ITERATOR(install_commands)
ITERATOR(remove_commands)
ITERATOR(aliases)
ITERATOR(options)
ITERATOR(softdeps)

static void test_kmod_config_iter_get_key(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_config_iter *iter = kmod_config_get_aliases(ctx);
	kmod_config_iter_next(iter);
	const char *first = kmod_config_iter_get_key(iter);
	kmod_config_iter_next(iter);
	printf("it stays: %s\n", first);
	kmod_config_iter_free_iter(iter);
	printf("also after the iterator: %s\n", first);
	printf("of nothing: %s\n", text(kmod_config_iter_get_key(NULL)));
	kmod_unref(ctx);
}

static void test_kmod_config_iter_get_value(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_config_iter *iter = kmod_config_get_options(ctx);
	kmod_config_iter_next(iter);
	printf("%s\n", kmod_config_iter_get_value(iter));
	kmod_config_iter_free_iter(iter);
	printf("of nothing: %s\n", text(kmod_config_iter_get_value(NULL)));
	kmod_unref(ctx);
}

static void test_kmod_config_iter_next(void)
{
	const char *none[] = { NULL };
	struct kmod_ctx *ctx = kmod_new("/nonexistent", none);
	struct kmod_config_iter *iter = kmod_config_get_aliases(ctx);
	printf("%d\n", kmod_config_iter_next(iter));
	printf("%d\n", kmod_config_iter_next(iter));
	kmod_config_iter_free_iter(iter);
	printf("of nothing: %d\n", kmod_config_iter_next(NULL));
	kmod_unref(ctx);
}

static void test_kmod_config_iter_free_iter(void)
{
	struct kmod_ctx *ctx = world();
	kmod_config_iter_free_iter(kmod_config_get_softdeps(ctx));
	kmod_unref(ctx);
	printf("freed\n");
}

/* ---- lists ---- */

static struct kmod_list *two(struct kmod_ctx *ctx)
{
	struct kmod_list *list = NULL;
	kmod_module_new_from_lookup(ctx, "shared", &list);
	return list;
}

static void test_kmod_list_next(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = two(ctx), *last = kmod_list_last(list);
	printf("%d %d\n", kmod_list_next(list, list) == last, kmod_list_next(list, last) == NULL);
	printf("the ring goes on: %d\n", kmod_list_next(last, last) == list);
	printf("%d %d\n", kmod_list_next(NULL, list) == NULL, kmod_list_next(list, NULL) == NULL);
	kmod_module_unref_list(list);
	kmod_unref(ctx);
}

static void test_kmod_list_prev(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = two(ctx), *last = kmod_list_last(list);
	printf("%d %d\n", kmod_list_prev(list, last) == list, kmod_list_prev(list, list) == NULL);
	printf("%d %d\n", kmod_list_prev(NULL, list) == NULL, kmod_list_prev(list, NULL) == NULL);
	kmod_module_unref_list(list);
	kmod_unref(ctx);
}

static void test_kmod_list_last(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = NULL;
	printf("%d\n", kmod_list_last(NULL) == NULL);
	kmod_module_new_from_lookup(ctx, "top", &list);
	printf("of one: %d\n", kmod_list_last(list) == list);
	kmod_module_unref_list(list);
	kmod_unref(ctx);
}

/* ---- module objects ---- */

static void test_kmod_module_new_from_name(void)
{
	struct kmod_ctx *ctx = world();
	static const char *const names[] = { "top", "top.ko.xz", "snd-hda", "", ".x", "a/b", "nowhere", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_module *mod = named(ctx, names[i]);
		printf("%s: %s\n", names[i], kmod_module_get_name(mod));
		kmod_module_unref(mod);
	}
	char *lengthy = malloc(5001);
	memset(lengthy, 'n', 5000);
	lengthy[5000] = '\0';
	struct kmod_module *mod = NULL, *again = NULL;
	printf("a long one: %d", kmod_module_new_from_name(ctx, lengthy, &mod));
	printf(" %zu\n", mod != NULL ? strlen(kmod_module_get_name(mod)) : 0);
	kmod_module_unref(mod);
	free(lengthy);
	mod = named(ctx, "top");
	again = named(ctx, "top.ko");
	printf("one object: %d\n", mod == again);
	kmod_module_unref(again);
	printf("NULL: %d %d %d\n", kmod_module_new_from_name(NULL, "x", &again),
	       kmod_module_new_from_name(ctx, NULL, &again), kmod_module_new_from_name(ctx, "x", NULL));
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static void from_path(struct kmod_ctx *ctx, const char *path)
{
	struct kmod_module *mod = NULL;
	int result = kmod_module_new_from_path(ctx, path, &mod);
	printf("%s: %d", path, result);
	if (mod != NULL)
		printf(" %s %s", kmod_module_get_name(mod), text(kmod_module_get_path(mod)));
	printf("\n");
	kmod_module_unref(mod);
}

static void test_kmod_module_new_from_path(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	from_path(ctx, MODULES "/kernel/top.ko");
	from_path(ctx, "lib/modules/6.1.0-test/kernel/top.ko");
	from_path(ctx, MODULES "/kernel/missing.ko");
	from_path(ctx, MODULES);
	from_path(ctx, "/");
	from_path(ctx, "/etc/");
	from_path(ctx, "");
	struct kmod_module *mod = named(ctx, "top"), *given = NULL, *other = NULL;
	printf("known from the database: %s\n", kmod_module_get_path(mod));
	printf("%d\n", kmod_module_new_from_path(ctx, MODULES "/kernel/../kernel/top.ko", &given));
	printf("%d\n", kmod_module_new_from_path(ctx, MODULES "/kernel/top.ko", &given));
	printf("one object: %d\n", given == mod);
	kmod_module_unref(given);
	kmod_module_unref(mod);
	/* The path that comes first stays, and who needs the module from another place gets nothing. */
	printf("%d\n", kmod_module_new_from_path(ctx, "/conf/base.ko", &other));
	lookup(ctx, "base");
	mod = named(ctx, "top");
	print_modules("dependencies", kmod_module_get_dependencies(mod));
	kmod_module_unref(mod);
	kmod_module_unref(other);
	given = NULL;
	printf("NULL: %d %d %d\n", kmod_module_new_from_path(NULL, "/", &given),
	       kmod_module_new_from_path(ctx, NULL, &given), kmod_module_new_from_path(ctx, "/etc/passwd", NULL));
	kmod_unref(ctx);
}

static void test_kmod_module_new_from_lookup(void)
{
	static const char *const names[] = { "top", "al-top", "al_top", "my-anything", "shared", "symbol:base_symbol",
					     "symbol:nothing", "cmd-only", "remove-only", "inside", "inner-alias",
					     "inner-other", "nowhere", "top.ko", "snd-hda", "snd_hda", "pci:v1d2",
					     "a]", "a[b", "", "[ab]-c", "no-path", NULL };
	for (int loaded = 0; loaded < 2; loaded++) {
		struct kmod_ctx *ctx = world();
		log_to_stdout(ctx);
		if (loaded)
			printf("loaded: %d\n", kmod_load_resources(ctx));
		for (int i = 0; names[i] != NULL; i++)
			lookup(ctx, names[i]);
		kmod_unref(ctx);
	}
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	char *lengthy = malloc(5001);
	memset(lengthy, 'n', 5000);
	lengthy[5000] = '\0';
	struct kmod_list *list = NULL;
	int result = kmod_module_new_from_lookup(ctx, lengthy, &list);
	printf("a long one: %d %d\n", result, list == NULL);
	memcpy(lengthy, "my-", 3);
	printf("a long one by alias: %d\n", kmod_module_new_from_lookup(ctx, lengthy, &list));
	kmod_module_unref_list(list);
	free(lengthy);
	list = NULL;
	printf("NULL: %d %d %d\n", kmod_module_new_from_lookup(NULL, "x", &list),
	       kmod_module_new_from_lookup(ctx, NULL, &list), kmod_module_new_from_lookup(ctx, "x", NULL));
	kmod_module_new_from_lookup(ctx, "top", &list);
	printf("a list is there: %d\n", kmod_module_new_from_lookup(ctx, "top", &list));
	printf("errno: %d\n", errno);
	kmod_module_unref_list(list);
	/* Two ways to a module are two objects, and the same way is the same object. */
	struct kmod_list *one = NULL, *two = NULL, *three = NULL;
	kmod_module_new_from_lookup(ctx, "top", &one);
	kmod_module_new_from_lookup(ctx, "al-top", &two);
	kmod_module_new_from_lookup(ctx, "al_top", &three);
	struct kmod_module *a = kmod_module_get_module(one), *b = kmod_module_get_module(two),
			   *c = kmod_module_get_module(three), *d = named(ctx, "top");
	printf("%d %d %d\n", a == b, b == c, a == d);
	kmod_module_unref_list(one);
	kmod_module_unref_list(two);
	kmod_module_unref_list(three);
	printf("still there: %s\n", kmod_module_get_name(b));
	kmod_module_unref(a);
	kmod_module_unref(b);
	kmod_module_unref(c);
	kmod_module_unref(d);
	kmod_unref(ctx);
}

static void test_kmod_module_new_from_loaded(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = NULL;
	log_to_stdout(ctx);
	printf("%d\n", kmod_module_new_from_loaded(ctx, &list));
	print_modules("loaded", list);
	kmod_module_unref_list(list);
	rename("/proc/modules", "/proc/aside");
	list = (struct kmod_list *)ctx;
	int result = kmod_module_new_from_loaded(ctx, &list);
	printf("no list: %d, untouched %d\n", result, (void *)list == (void *)ctx);
	rename("/proc/aside", "/proc/modules");
	printf("NULL: %d %d\n", kmod_module_new_from_loaded(NULL, &list), kmod_module_new_from_loaded(ctx, NULL));
	kmod_unref(ctx);
}

static void test_kmod_module_ref(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_module *mod = named(ctx, "top");
	printf("%d\n", kmod_module_ref(mod) == mod);
	printf("%d\n", kmod_module_unref(mod) == mod);
	printf("%d\n", kmod_module_unref(mod) == NULL);
	printf("%d\n", kmod_module_ref(NULL) == NULL);
	kmod_unref(ctx);
}

static void test_kmod_module_unref(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_module *mod = NULL;
	kmod_module_new_from_path(ctx, "/conf/base.ko", &mod);
	printf("%s\n", kmod_module_get_path(mod));
	printf("%d\n", kmod_module_unref(mod) == NULL);
	mod = named(ctx, "base");
	printf("a new one has forgotten: %s\n", kmod_module_get_path(mod));
	printf("%d %d\n", kmod_module_unref(mod) == NULL, kmod_module_unref(NULL) == NULL);
	kmod_unref(ctx);
}

static void test_kmod_module_unref_list(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = two(ctx);
	struct kmod_module *mod = kmod_module_get_module(list);
	printf("%d %d\n", kmod_module_unref_list(list), kmod_module_unref_list(NULL));
	printf("%s\n", kmod_module_get_name(mod));
	printf("%d\n", kmod_module_unref(mod) == NULL);
	kmod_unref(ctx);
}

static void test_kmod_module_get_module(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = two(ctx);
	struct kmod_module *a = kmod_module_get_module(list), *b = kmod_module_get_module(list);
	printf("%d %d\n", a == b, kmod_module_get_module(NULL) == NULL);
	kmod_module_unref(a);
	kmod_module_unref(b);
	kmod_module_unref_list(list);
	kmod_unref(ctx);
}

/* ---- what is known of a module ---- */

static const char *const some_names[] = { "top",   "mid",	"base",	 "softly", "inside", "nowhere", "cmd_only",
					  "black", "needgone", "snd_hda", "packed", NULL };

static void test_kmod_module_get_name(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = NULL;
	kmod_module_new_from_lookup(ctx, "my-x", &list);
	struct kmod_module *mod = kmod_module_get_module(list);
	printf("%s %d\n", kmod_module_get_name(mod), kmod_module_get_name(mod) == kmod_module_get_name(mod));
	kmod_module_unref(mod);
	kmod_module_unref_list(list);
	printf("%s\n", text(kmod_module_get_name(NULL)));
	kmod_unref(ctx);
}

#define STRING(what)                                                                     \
	static void test_kmod_module_get_##what(void)                                    \
	{                                                                                \
		struct kmod_ctx *ctx = world();                                          \
		log_to_stdout(ctx);                                                      \
		for (int i = 0; some_names[i] != NULL; i++) {                            \
			struct kmod_module *mod = named(ctx, some_names[i]);             \
			const char *first = kmod_module_get_##what(mod);                 \
			printf("%s: %s %d\n", some_names[i], text(first),                \
			       first == kmod_module_get_##what(mod));                    \
			kmod_module_unref(mod);                                          \
		}                                                                        \
		static const char *const aliases[] = { "al-top", "cmd-only", "remove-only", "my-y", "inner-alias", NULL }; \
		for (int i = 0; aliases[i] != NULL; i++) {                               \
			struct kmod_list *list = NULL;                                   \
			kmod_module_new_from_lookup(ctx, aliases[i], &list);             \
			struct kmod_module *mod = kmod_module_get_module(list);          \
			printf("%s: %s\n", aliases[i], text(kmod_module_get_##what(mod))); \
			kmod_module_unref(mod);                                          \
			kmod_module_unref_list(list);                                    \
		}                                                                        \
		printf("%s\n", text(kmod_module_get_##what(NULL)));                      \
		kmod_unref(ctx);                                                         \
	}
STRING(path)
STRING(options)
STRING(install_commands)
STRING(remove_commands)

static void test_kmod_module_get_dependencies(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	for (int round = 0; round < 2; round++)
		for (int i = 0; some_names[i] != NULL; i++) {
			struct kmod_module *mod = named(ctx, some_names[i]);
			struct kmod_list *list = kmod_module_get_dependencies(mod);
			print_modules(some_names[i], list);
			kmod_module_unref_list(list);
			kmod_module_unref(mod);
		}
	printf("%d\n", kmod_module_get_dependencies(NULL) == NULL);
	kmod_unref(ctx);
}

static void test_kmod_module_get_softdeps(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	static const char *const names[] = { "top", "softly", "mid", "nowhere", "oddsoft", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_list *pre = NULL, *post = NULL;
		struct kmod_module *mod = named(ctx, names[i]);
		printf("%s: %d\n", names[i], kmod_module_get_softdeps(mod, &pre, &post));
		print_modules("pre", pre);
		print_modules("post", post);
		kmod_module_unref_list(pre);
		kmod_module_unref_list(post);
		kmod_module_unref(mod);
	}
	struct kmod_list *list = NULL;
	struct kmod_module *mod = named(ctx, "top");
	printf("NULL: %d %d %d\n", kmod_module_get_softdeps(NULL, &list, &list),
	       kmod_module_get_softdeps(mod, NULL, &list), kmod_module_get_softdeps(mod, &list, NULL));
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static void test_kmod_module_apply_filter(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *input = NULL, *output = NULL;
	kmod_module_new_from_lookup(ctx, "mixed", &input);
	print_modules("input", input);
	for (int filter = 0; filter < 5; filter++) {
		output = (struct kmod_list *)ctx;
		printf("%d: %d\n", filter, kmod_module_apply_filter(ctx, filter, input, &output));
		print_modules("output", output);
		kmod_module_unref_list(output);
	}
	output = input;
	int result = kmod_module_apply_filter(ctx, 3, NULL, &output);
	printf("nothing: %d %d\n", result, output == NULL);
	printf("NULL: %d %d\n", kmod_module_apply_filter(NULL, 1, input, &output),
	       kmod_module_apply_filter(ctx, 1, input, NULL));
	kmod_module_unref_list(input);
	kmod_unref(ctx);
}

static void test_kmod_module_get_filtered_blacklist(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *input = NULL, *output = NULL;
	kmod_module_new_from_lookup(ctx, "mixed", &input);
	printf("%d\n", kmod_module_get_filtered_blacklist(ctx, input, &output));
	print_modules("output", output);
	kmod_module_unref_list(output);
	printf("NULL: %d %d\n", kmod_module_get_filtered_blacklist(NULL, input, &output),
	       kmod_module_get_filtered_blacklist(ctx, input, NULL));
	kmod_module_unref_list(input);
	kmod_unref(ctx);
}

/* ---- the kernel ---- */

static const char *const in_kernel[] = { "top",	    "mid",     "base",	  "inside",  "begun",	"strange",
					 "odd",	    "nowhere", "dash-ed", "leaving", "unnumbered", NULL };

static void test_kmod_module_initstate_str(void)
{
	for (int state = -1; state < 6; state++)
		printf("%d: %s\n", state, text(kmod_module_initstate_str(state)));
}

#define NUMBER(what)                                                                     \
	static void test_kmod_module_get_##what(void)                                    \
	{                                                                                \
		struct kmod_ctx *ctx = world();                                          \
		log_to_stdout(ctx);                                                      \
		for (int i = 0; in_kernel[i] != NULL; i++) {                             \
			struct kmod_module *mod = named(ctx, in_kernel[i]);              \
			printf("%s: ", in_kernel[i]);                                    \
			printf("%ld\n", (long)kmod_module_get_##what(mod));              \
			kmod_module_unref(mod);                                          \
		}                                                                        \
		printf("%ld\n", (long)kmod_module_get_##what(NULL));                     \
		kmod_unref(ctx);                                                         \
	}
NUMBER(initstate)
NUMBER(refcnt)
NUMBER(size)

static void test_kmod_module_get_holders(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	for (int i = 0; in_kernel[i] != NULL; i++) {
		struct kmod_module *mod = named(ctx, in_kernel[i]);
		struct kmod_list *list = kmod_module_get_holders(mod);
		print_modules(in_kernel[i], list);
		kmod_module_unref_list(list);
		kmod_module_unref(mod);
	}
	printf("%d\n", kmod_module_get_holders(NULL) == NULL);
	kmod_unref(ctx);
}

static void print_sections(struct kmod_ctx *ctx, const char *name)
{
	struct kmod_module *mod = named(ctx, name);
	struct kmod_list *node, *list = kmod_module_get_sections(mod);
	printf("%s:\n", name);
	kmod_list_foreach(node, list)
		printf(" %s %lx\n", kmod_module_section_get_name(node), kmod_module_section_get_address(node));
	kmod_module_section_free_list(list);
	kmod_module_unref(mod);
}

static void test_kmod_module_get_sections(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	print_sections(ctx, "base");
	print_sections(ctx, "nowhere");
	print_sections(ctx, "odd");
	printf("%d\n", kmod_module_get_sections(NULL) == NULL);
	kmod_unref(ctx);
}

static void test_kmod_module_section_get_name(void)
{
	printf("%s\n", text(kmod_module_section_get_name(NULL)));
}

static void test_kmod_module_section_get_address(void)
{
	printf("%lx\n", kmod_module_section_get_address(NULL));
}

static void test_kmod_module_section_free_list(void)
{
	kmod_module_section_free_list(NULL);
	printf("freed\n");
}

/* ---- files ---- */

static const char *const files[] = { "top",	"mid",	   "base",     "packed",  "inside",   "signed", "garbage",
				     "short_one", "cut",   "nosections", "needgone", "nowhere", "damaged_xz", NULL };

static void print_info(struct kmod_ctx *ctx, const char *name)
{
	struct kmod_module *mod = named(ctx, name);
	struct kmod_list *node, *list = NULL;
	int result = kmod_module_get_info(mod, &list);
	printf("%s: %d\n", name, result);
	kmod_list_foreach(node, list)
		printf(" <%s> <%s>\n", kmod_module_info_get_key(node), kmod_module_info_get_value(node));
	kmod_module_info_free_list(list);
	kmod_module_unref(mod);
}

static void test_kmod_module_get_info(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_list *list = NULL;
	struct kmod_module *mod = named(ctx, "top");
	kmod_set_log_fn(ctx, NULL, NULL);
	for (int i = 0; files[i] != NULL; i++)
		print_info(ctx, files[i]);
	printf("NULL: %d %d\n", kmod_module_get_info(NULL, &list), kmod_module_get_info(mod, NULL));
	/* The list does not need the module, nor the file. */
	kmod_module_get_info(mod, &list);
	kmod_module_unref(mod);
	kmod_unref(ctx);
	printf("%s\n", kmod_module_info_get_key(list));
	kmod_module_info_free_list(list);
}

static void test_kmod_module_info_get_key(void)
{
	printf("%s\n", text(kmod_module_info_get_key(NULL)));
}

static void test_kmod_module_info_get_value(void)
{
	printf("%s\n", text(kmod_module_info_get_value(NULL)));
}

static void test_kmod_module_info_free_list(void)
{
	kmod_module_info_free_list(NULL);
	printf("freed\n");
}

#define SYMBOLS(what, one, extra)                                                                     \
	static void test_kmod_module_get_##what(void)                                                 \
	{                                                                                             \
		struct kmod_ctx *ctx = world();                                                       \
		kmod_set_log_fn(ctx, NULL, NULL);                                                     \
		for (int i = 0; files[i] != NULL; i++) {                                              \
			struct kmod_module *mod = named(ctx, files[i]);                               \
			struct kmod_list *node, *list = NULL;                                         \
			int result = kmod_module_get_##what(mod, &list);                              \
			printf("%s: %d\n", files[i], result);                                         \
			kmod_list_foreach(node, list)                                                 \
				printf(" %s %" PRIx64 " %d\n", kmod_module_##one##_get_symbol(node),  \
				       kmod_module_##one##_get_crc(node), extra);                     \
			kmod_module_##what##_free_list(list);                                         \
			kmod_module_unref(mod);                                                       \
		}                                                                                     \
		struct kmod_list *list = NULL;                                                        \
		struct kmod_module *mod = named(ctx, "top");                                          \
		printf("NULL: %d %d\n", kmod_module_get_##what(NULL, &list), kmod_module_get_##what(mod, NULL)); \
		kmod_module_unref(mod);                                                               \
		kmod_unref(ctx);                                                                      \
	}                                                                                             \
	static void test_kmod_module_##one##_get_symbol(void)                                         \
	{                                                                                             \
		printf("%s\n", text(kmod_module_##one##_get_symbol(NULL)));                           \
	}                                                                                             \
	static void test_kmod_module_##one##_get_crc(void)                                            \
	{                                                                                             \
		printf("%" PRIx64 "\n", kmod_module_##one##_get_crc(NULL));                           \
	}                                                                                             \
	static void test_kmod_module_##what##_free_list(void)                                         \
	{                                                                                             \
		kmod_module_##what##_free_list(NULL);                                                 \
		printf("freed\n");                                                                    \
	}
SYMBOLS(versions, version, 0)
SYMBOLS(symbols, symbol, 0)
SYMBOLS(dependency_symbols, dependency_symbol, kmod_module_dependency_symbol_get_bind(node))

static void test_kmod_module_dependency_symbol_get_bind(void)
{
	printf("%d\n", kmod_module_dependency_symbol_get_bind(NULL));
}

/* ---- loading ---- */

static void test_kmod_module_insert_module(void)
{
	struct kmod_ctx *ctx = world();
	kmod_set_log_priority(ctx, 6);
	log_to_stdout(ctx);
	static const char *const names[] = { "nowhere", "short_one", "needgone", "inside", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_module *mod = named(ctx, names[i]);
		errno = 0;
		int result = kmod_module_insert_module(mod, 0, i == 0 ? NULL : "a=1");
		printf("%s: %d\n", names[i], result);
		kmod_module_unref(mod);
	}
	printf("NULL: %d\n", kmod_module_insert_module(NULL, 0, NULL));
	kmod_set_log_fn(ctx, NULL, NULL);
	kmod_unref(ctx);
}

static void test_kmod_module_remove_module(void)
{
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	struct kmod_module *mod = named(ctx, "nowhere");
	printf("%d\n", kmod_module_remove_module(mod, 0));
	printf("without a word: %d\n", kmod_module_remove_module(mod, KMOD_REMOVE_NOLOG));
	printf("NULL: %d\n", kmod_module_remove_module(NULL, 0));
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

/* What a command answers that fails. */
static int failure = -5;

static int run_install(struct kmod_module *m, const char *command, void *data)
{
	printf("  run %s '%s' %s\n", kmod_module_get_name(m), command, (const char *)data);
	return strstr(command, "positive") != NULL ? 17 : strstr(command, "fails") != NULL ? failure : 0;
}

static void print_action(struct kmod_module *m, bool install, const char *options)
{
	printf("  %s %s '%s' path %s command %s\n", install ? "install" : "insert", kmod_module_get_name(m),
	       text(options), text(kmod_module_get_path(m)), text(kmod_module_get_install_commands(m)));
}

static void probe(struct kmod_ctx *ctx, const char *name, unsigned flags, const char *options)
{
	struct kmod_list *node, *list = NULL;
	int result = kmod_module_new_from_lookup(ctx, name, &list);
	printf("probe %s flags %x options %s: %d\n", name, flags, text(options), result);
	kmod_list_foreach(node, list)
	{
		struct kmod_module *mod = kmod_module_get_module(node);
		result = kmod_module_probe_insert_module(mod, flags, options, run_install, "data", print_action);
		printf("= %s %d\n", kmod_module_get_name(mod), result);
		kmod_module_unref(mod);
	}
	kmod_module_unref_list(list);
}

static void test_kmod_module_probe_insert_module(void)
{
	const unsigned dry = KMOD_PROBE_DRY_RUN, all = KMOD_PROBE_DRY_RUN | KMOD_PROBE_IGNORE_LOADED;
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	static const char *const names[] = { "top",    "mid",	  "packed",  "softly", "al-top",   "inside", "cmd-only",
					     "my-z",   "needgone", "nowhere", "mixed",  "oddsoft", "looped", NULL };
	for (int i = 0; names[i] != NULL; i++) {
		probe(ctx, names[i], dry, NULL);
		probe(ctx, names[i], all, "x=1 y=\"a b\"");
		probe(ctx, names[i], all | KMOD_PROBE_IGNORE_COMMAND, "");
		probe(ctx, names[i], dry | KMOD_PROBE_FAIL_ON_LOADED, NULL);
	}
	static const unsigned lists[] = { KMOD_PROBE_APPLY_BLACKLIST_ALL, KMOD_PROBE_APPLY_BLACKLIST,
					  KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY,
					  KMOD_PROBE_APPLY_BLACKLIST_ALL | KMOD_PROBE_APPLY_BLACKLIST |
						  KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY };
	for (unsigned i = 0; i < sizeof lists / sizeof *lists; i++) {
		probe(ctx, "black", all | lists[i], NULL);
		probe(ctx, "black-alias", all | lists[i], NULL);
		probe(ctx, "needsblack", all | lists[i], NULL);
	}
	/* For real, as far as commands go. */
	probe(ctx, "cmd-only", 0, "opt=1");
	probe(ctx, "cmd-positive", 0, NULL);
	probe(ctx, "cmd-fails", 0, NULL);
	/* Numbers that are no error's come back as they are. */
	failure = -100000;
	probe(ctx, "cmd-fails", 0, NULL);
	failure = INT_MIN;
	probe(ctx, "cmd-fails", 0, NULL);
	failure = -5;
	struct kmod_module *mod = named(ctx, "cmd_status");
	printf("by the library: %d\n", kmod_module_probe_insert_module(mod, 0, "a=b", NULL, NULL, NULL));
	kmod_module_unref(mod);
	mod = named(ctx, "cmd_writes");
	printf("by the library: %d\n", kmod_module_probe_insert_module(mod, 0, "a=b", NULL, NULL, NULL));
	printf("the environment is as it was: %s\n", text(getenv("MODPROBE_MODULE")));
	kmod_module_unref(mod);
	mod = named(ctx, "nowhere");
	printf("no file: %d\n", kmod_module_probe_insert_module(mod, 0, NULL, NULL, NULL, NULL));
	printf("errno: %d\n", errno);
	kmod_module_unref(mod);
	printf("NULL: %d\n", kmod_module_probe_insert_module(NULL, 0, NULL, NULL, NULL, NULL));
	kmod_unref(ctx);
	FILE *file = fopen("/written", "r");
	char line[256];
	while (file != NULL && fgets(line, sizeof line, file) != NULL)
		printf("the command wrote: %s", line);
	if (file != NULL)
		fclose(file);
	unlink("/written");
}

#define TEST(name) { #name, test_##name }
static const struct test tests[] = {
	TEST(kmod_new),
	TEST(kmod_ref),
	TEST(kmod_unref),
	TEST(kmod_get_dirname),
	TEST(kmod_set_log_fn),
	TEST(kmod_get_log_priority),
	TEST(kmod_set_log_priority),
	TEST(kmod_get_userdata),
	TEST(kmod_set_userdata),
	TEST(kmod_load_resources),
	TEST(kmod_unload_resources),
	TEST(kmod_validate_resources),
	TEST(kmod_dump_index),
	TEST(kmod_config_get_blacklists),
	TEST(kmod_config_get_install_commands),
	TEST(kmod_config_get_remove_commands),
	TEST(kmod_config_get_aliases),
	TEST(kmod_config_get_options),
	TEST(kmod_config_get_softdeps),
	TEST(kmod_config_iter_get_key),
	TEST(kmod_config_iter_get_value),
	TEST(kmod_config_iter_next),
	TEST(kmod_config_iter_free_iter),
	TEST(kmod_list_next),
	TEST(kmod_list_prev),
	TEST(kmod_list_last),
	TEST(kmod_module_new_from_name),
	TEST(kmod_module_new_from_path),
	TEST(kmod_module_new_from_lookup),
	TEST(kmod_module_new_from_loaded),
	TEST(kmod_module_ref),
	TEST(kmod_module_unref),
	TEST(kmod_module_unref_list),
	TEST(kmod_module_get_module),
	TEST(kmod_module_get_name),
	TEST(kmod_module_get_path),
	TEST(kmod_module_get_options),
	TEST(kmod_module_get_install_commands),
	TEST(kmod_module_get_remove_commands),
	TEST(kmod_module_get_dependencies),
	TEST(kmod_module_get_softdeps),
	TEST(kmod_module_apply_filter),
	TEST(kmod_module_get_filtered_blacklist),
	TEST(kmod_module_initstate_str),
	TEST(kmod_module_get_initstate),
	TEST(kmod_module_get_refcnt),
	TEST(kmod_module_get_size),
	TEST(kmod_module_get_holders),
	TEST(kmod_module_get_sections),
	TEST(kmod_module_section_get_name),
	TEST(kmod_module_section_get_address),
	TEST(kmod_module_section_free_list),
	TEST(kmod_module_get_info),
	TEST(kmod_module_info_get_key),
	TEST(kmod_module_info_get_value),
	TEST(kmod_module_info_free_list),
	TEST(kmod_module_get_versions),
	TEST(kmod_module_version_get_symbol),
	TEST(kmod_module_version_get_crc),
	TEST(kmod_module_versions_free_list),
	TEST(kmod_module_get_symbols),
	TEST(kmod_module_symbol_get_symbol),
	TEST(kmod_module_symbol_get_crc),
	TEST(kmod_module_symbols_free_list),
	TEST(kmod_module_get_dependency_symbols),
	TEST(kmod_module_dependency_symbol_get_symbol),
	TEST(kmod_module_dependency_symbol_get_crc),
	TEST(kmod_module_dependency_symbols_free_list),
	TEST(kmod_module_dependency_symbol_get_bind),
	TEST(kmod_module_insert_module),
	TEST(kmod_module_remove_module),
	TEST(kmod_module_probe_insert_module),
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_test(tests, argc, argv);
}
