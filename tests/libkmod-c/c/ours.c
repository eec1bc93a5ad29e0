/*
 * What kmod's library does not do, or does not survive: these run on ours alone, and what it is to answer is recorded.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "show.h"

static void put(const char *path, const char *content)
{
	FILE *file = fopen(path, "w");
	if (file == NULL) {
		printf("cannot write %s: %s\n", path, strerror(errno));
		exit(1);
	}
	fputs(content, file);
	fclose(file);
}

static int load(struct kmod_ctx *ctx, const char *name, unsigned flags)
{
	struct kmod_module *mod = named(ctx, name);
	int result = kmod_module_probe_insert_module(mod, flags, NULL, NULL, NULL, NULL);
	kmod_module_unref(mod);
	return result;
}

/* The administrator's rules: udev, which applies the blacklist, is told quietly; everybody else is refused. */
static void test_forbidden_modules(void)
{
	static const unsigned flags[] = { 0,
					  KMOD_PROBE_APPLY_BLACKLIST,
					  KMOD_PROBE_APPLY_BLACKLIST_ALL,
					  KMOD_PROBE_APPLY_BLACKLIST_ALIAS_ONLY,
					  KMOD_PROBE_IGNORE_COMMAND,
					  KMOD_PROBE_DRY_RUN };
	mkdir("/etc/modutils.d", 0755);
	put("/etc/modutils.d/rules.conf", "forbid lone : nobody wants it\nforbid base\nforbid black\n");
	struct kmod_ctx *ctx = world();
	kmod_set_log_priority(ctx, 6);
	log_to_stdout(ctx);
	for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
		int result = load(ctx, "lone", flags[i]);
		printf("lone, flags %#x: %#x %d\n", flags[i], result > 0 ? result : 0, result < 0 ? result : 0);
	}
	printf("one that needs a forbidden one: %d\n", load(ctx, "needsblack", 0));
	printf("the same for udev: %#x\n", load(ctx, "needsblack", KMOD_PROBE_APPLY_BLACKLIST));
	struct kmod_module *mod = named(ctx, "lone");
	printf("inserted alone: %d\n", kmod_module_insert_module(mod, 0, NULL));
	kmod_module_unref(mod);
	if (kmod_module_new_from_path(ctx, "/conf/base.ko", &mod) == 0) {
		printf("another file of that name: %d\n", kmod_module_insert_module(mod, 0, NULL));
		kmod_module_unref(mod);
	}
	/* The rules are read for every load. */
	unlink("/etc/modutils.d/rules.conf");
	printf("allowed again: %d\n", load(ctx, "lone", 0));
	kmod_unref(ctx);
}

static void print_pin(const char *name)
{
	char path[256];
	snprintf(path, sizeof path, "/run/modutils/pinned/%s", name);
	printf("%s: %s\n", name, access(path, F_OK) == 0 ? "pinned" : "not pinned");
}

/* What was loaded, or is there and was asked for, is wanted: autoclean leaves it alone. */
static void test_loads_pin(void)
{
	mkdir("/run", 0755);
	mkdir("/proc/sys", 0755);
	mkdir("/proc/sys/kernel", 0755);
	mkdir("/proc/sys/kernel/random", 0755);
	put("/proc/sys/kernel/random/boot_id", "5bd21c3c-0a4d-4f0e-9e2b-7c7f6f1f2a3b\n");
	put("/etc/modprobe.d/pins.conf", "install lone echo live >/sys/module/lone/initstate\n");
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	print_pin("base");
	printf("base, which is live: %d\n", load(ctx, "base", 0));
	print_pin("base");
	printf("a failed load: %d\n", load(ctx, "top", 0));
	print_pin("top");
	mkdir("/sys/module/lone", 0755);
	printf("a dry run: %d\n", load(ctx, "lone", KMOD_PROBE_DRY_RUN));
	print_pin("lone");
	printf("by its command: %d\n", load(ctx, "lone", 0));
	print_pin("lone");
	kmod_unref(ctx);
}

static volatile int stopped;

static void *watch_environment(void *seen)
{
	while (!stopped)
		if (getenv("MODPROBE_MODULE") != NULL)
			*(int *)seen = 1;
	return NULL;
}

/* A command is told its module's name, and no other thread of the caller sees the environment change. */
static void test_environment_of_commands(void)
{
	pthread_t thread;
	int seen = 0;
	char line[64] = "";
	struct kmod_ctx *ctx = world();
	pthread_create(&thread, NULL, watch_environment, &seen);
	for (int i = 0; i < 20; i++)
		if (load(ctx, "cmd-writes", 0) != 0)
			printf("the command fails\n");
	stopped = 1;
	pthread_join(thread, NULL);
	FILE *file = fopen("/written", "r");
	if (file != NULL && fgets(line, sizeof line, file) != NULL)
		printf("the command saw: %s", line);
	printf("the caller saw it: %d\n", seen);
	kmod_unref(ctx);
}

/* All that a context is asked for, as one number. */
static void *ask_everything(void *answer)
{
	static const char *const names[] = { "top", "mid:x", "pci:v00000001d2", "al-top", "inner-alias", "symbol:base_symbol", NULL };
	long found = 0;
	struct kmod_ctx *ctx = world();
	kmod_set_log_fn(ctx, NULL, NULL);
	kmod_load_resources(ctx);
	for (int round = 0; round < 50; round++)
		for (int i = 0; names[i] != NULL; i++) {
			struct kmod_list *list = NULL, *node;
			kmod_module_new_from_lookup(ctx, names[i], &list);
			kmod_list_foreach(node, list)
			{
				struct kmod_module *mod = kmod_module_get_module(node);
				struct kmod_list *strings = NULL, *needs = kmod_module_get_dependencies(mod), *need;
				int count = kmod_module_get_info(mod, &strings);
				found += count > 0 ? count : 0;
				kmod_list_foreach(need, needs) found++;
				kmod_module_info_free_list(strings);
				kmod_module_unref_list(needs);
				kmod_module_unref(mod);
			}
			kmod_module_unref_list(list);
		}
	kmod_unref(ctx);
	*(long *)answer = found;
	return NULL;
}

static void test_contexts_of_threads(void)
{
	enum { THREADS = 4 };
	pthread_t threads[THREADS];
	long alone = 0, answers[THREADS];
	/* What they say of the configuration would come in any order. */
	setenv("KMOD_LOG", "0", 1);
	ask_everything(&alone);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, ask_everything, &answers[i]);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		printf("as alone: %d\n", answers[i] == alone && alone > 0);
	}
	unsetenv("KMOD_LOG");
}

static int open_descriptors(bool inherited)
{
	int count = 0;
	for (int fd = 0; fd < 1024; fd++) {
		int flags = fcntl(fd, F_GETFD);
		count += flags != -1 && (!inherited || (flags & FD_CLOEXEC) == 0);
	}
	return count;
}

/* Nothing of a module's file is kept while the object lives, and no descriptor is inherited. */
static void test_descriptors(void)
{
	static const char *const names[] = { "top", "packed", "signed", "damaged_xz", "cut", "garbage", NULL };
	struct kmod_module *mods[6];
	int before = open_descriptors(false), inherited = open_descriptors(true);
	struct kmod_ctx *ctx = world();
	kmod_set_log_fn(ctx, NULL, NULL);
	printf("a context: %d\n", open_descriptors(false) - before);
	for (int i = 0; names[i] != NULL; i++) {
		struct kmod_list *list = NULL;
		mods[i] = named(ctx, names[i]);
		kmod_module_get_info(mods[i], &list);
		kmod_module_info_free_list(list);
		kmod_module_insert_module(mods[i], 0, NULL);
	}
	printf("six modules: %d\n", open_descriptors(false) - before);
	kmod_load_resources(ctx);
	printf("indexes: %d, of which a child inherits %d\n", open_descriptors(false) - before, open_descriptors(true) - inherited);
	kmod_unload_resources(ctx);
	printf("indexes closed: %d\n", open_descriptors(false) - before);
	for (int i = 0; names[i] != NULL; i++)
		kmod_module_unref(mods[i]);
	kmod_unref(ctx);
	printf("in the end: %d\n", open_descriptors(false) - before);
}

/* An index that somebody cuts where it lies, while it is in use: the text beside it answers, or there is no answer. */
static void test_truncated_indexes(void)
{
	static const char *const files[] = { "modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin",
					     "modules.builtin.alias.bin", NULL };
	static const long sizes[] = { 100, 12, 5, 0 };
	for (unsigned size = 0; size < sizeof sizes / sizeof *sizes; size++) {
		struct kmod_ctx *ctx = world();
		kmod_set_log_fn(ctx, NULL, NULL);
		printf("loaded: %d\n", kmod_load_resources(ctx));
		for (int i = 0; files[i] != NULL; i++) {
			char path[256];
			snprintf(path, sizeof path, MODULES "/%s", files[i]);
			if (truncate(path, sizes[size]) != 0)
				printf("cannot cut %s\n", path);
		}
		lookup(ctx, "top");
		lookup(ctx, "mid:x");
		lookup(ctx, "symbol:base_symbol");
		lookup(ctx, "inner-alias");
		printf("dump: %d\n", kmod_dump_index(ctx, KMOD_INDEX_MODULES_ALIAS, open("/tmp/dump", O_WRONLY | O_CREAT, 0600)));
		kmod_unref(ctx);
	}
}

static void *cut_and_mend(void *unused)
{
	const char *path = MODULES "/kernel/top.ko";
	(void)unused;
	FILE *file = fopen(path, "r");
	static char bytes[1 << 16];
	size_t len = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
	if (file != NULL)
		fclose(file);
	while (!stopped) {
		int fd = open(path, O_WRONLY);
		if (ftruncate(fd, 10) != 0 || pwrite(fd, bytes, len, 0) != (ssize_t)len)
			break;
		close(fd);
	}
	return NULL;
}

/* A module file that is cut and written again all the time: each call answers or fails, and the process lives. */
static void test_module_truncated_meanwhile(void)
{
	pthread_t thread;
	struct kmod_ctx *ctx = world();
	struct kmod_module *mod = named(ctx, "top");
	kmod_set_log_fn(ctx, NULL, NULL);
	pthread_create(&thread, NULL, cut_and_mend, NULL);
	for (int i = 0; i < 500; i++) {
		struct kmod_list *lists[4] = { NULL, NULL, NULL, NULL };
		kmod_module_get_info(mod, &lists[0]);
		kmod_module_get_symbols(mod, &lists[1]);
		kmod_module_get_versions(mod, &lists[2]);
		kmod_module_get_dependency_symbols(mod, &lists[3]);
		for (int list = 0; list < 4; list++)
			kmod_module_info_free_list(lists[list]);
	}
	stopped = 1;
	pthread_join(thread, NULL);
	printf("alive\n");
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static size_t read_whole(const char *path, unsigned char *bytes, size_t most)
{
	FILE *file = fopen(path, "r");
	size_t len = file != NULL ? fread(bytes, 1, most, file) : 0;
	if (file != NULL)
		fclose(file);
	return len;
}

/* Every byte of every index in turn has three other values: all questions end, and nothing is read beyond the file. */
static void test_damaged_indexes(void)
{
	static const char *const files[] = { "modules.dep.bin", "modules.alias.bin", "modules.symbols.bin",
					     "modules.builtin.alias.bin", NULL };
	static const unsigned char values[] = { 0x00, 0x7f, 0xff };
	static unsigned char bytes[1 << 16];
	long asked = 0;
	int null = open("/tmp/dump", O_WRONLY | O_CREAT, 0600);
	for (int i = 0; files[i] != NULL; i++) {
		char path[256];
		snprintf(path, sizeof path, MODULES "/%s", files[i]);
		size_t len = read_whole(path, bytes, sizeof bytes);
		int fd = open(path, O_WRONLY);
		for (size_t place = 0; place < len; place += place < 64 ? 1 : 7)
			for (int value = 0; value < 3; value++) {
				struct kmod_list *list = NULL;
				if (pwrite(fd, &values[value], 1, place) != 1)
					printf("cannot write\n");
				struct kmod_ctx *ctx = kmod_new(MODULES, (const char *[]){ NULL });
				kmod_set_log_fn(ctx, NULL, NULL);
				kmod_load_resources(ctx);
				static const char *const names[] = { "top", "pci:v00000001d2", "symbol:base_symbol", "inner-alias" };
				kmod_module_new_from_lookup(ctx, names[i], &list);
				kmod_module_unref_list(list);
				if (lseek(null, 0, SEEK_SET) == 0)
					kmod_dump_index(ctx, KMOD_INDEX_MODULES_DEP + i, null);
				kmod_unref(ctx);
				asked++;
			}
		if (pwrite(fd, bytes, len, 0) != (ssize_t)len)
			printf("cannot mend\n");
		close(fd);
	}
	printf("every question has ended: %d\n", asked > 1000);
}

/* Configuration of all kinds of nonsense: lines without end, without words, with bytes of any value, and FIFOs. */
static void test_damaged_configuration(void)
{
	FILE *file = fopen("/etc/modprobe.d/long.conf", "w");
	fputs("options top ", file);
	for (int i = 0; i < 1 << 20; i++)
		putc('a' + i % 26, file);
	for (int i = 0; i < 50000; i++)
		fputs("\nsoftdep top pre: base", file);
	fputs("\nalias [[[ top\nalias ] top\nalias \\", file);
	fclose(file);
	file = fopen("/etc/modprobe.d/bytes.conf", "w");
	for (int i = 0; i < 4096; i++)
		putc(i % 256, file);
	fclose(file);
	mkfifo("/etc/modprobe.d/fifo.conf", 0600);
	mkdir("/etc/modprobe.d/directory.conf", 0755);
	if (symlink("loop.conf", "/etc/modprobe.d/loop.conf") != 0)
		printf("no link\n");
	struct kmod_ctx *ctx = world();
	kmod_set_log_fn(ctx, NULL, NULL);
	struct kmod_module *mod = named(ctx, "top");
	printf("options: %zu\n", strlen(text(kmod_module_get_options(mod))));
	struct kmod_list *pre = NULL, *post = NULL;
	printf("softdeps: %d\n", kmod_module_get_softdeps(mod, &pre, &post));
	print_modules("pre", pre);
	kmod_module_unref_list(pre);
	kmod_module_unref_list(post);
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

/* A list where there must be none ends kmod's caller. */
static void test_lists_that_are_there(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_module *mod = named(ctx, "top");
	struct kmod_list *kept = NULL, *other = NULL;
	kmod_module_new_from_lookup(ctx, "top", &kept);
	struct kmod_list *list = kept;
	errno = 0;
	int result = kmod_module_get_info(mod, &list);
	printf("info %d errno %d\n", result, errno);
	printf("versions %d\n", kmod_module_get_versions(mod, &list));
	printf("symbols %d\n", kmod_module_get_symbols(mod, &list));
	printf("dependency symbols %d\n", kmod_module_get_dependency_symbols(mod, &list));
	printf("softdeps %d %d\n", kmod_module_get_softdeps(mod, &list, &other), kmod_module_get_softdeps(mod, &other, &list));
	printf("weakdeps %d\n", kmod_module_get_weakdeps(mod, &list));
	printf("untouched: %d\n", list == kept && other == NULL);
	kmod_module_unref_list(kept);
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

static void all_accessors(const char *what, struct kmod_list *entry)
{
	struct kmod_module *mod = kmod_module_get_module(entry);
	printf("%s: module %s, key %s, value %s, version %s, symbol %s, need %s, bind %d, section %s %#lx\n", what,
	       text(kmod_module_get_name(mod)), text(kmod_module_info_get_key(entry)), text(kmod_module_info_get_value(entry)),
	       text(kmod_module_version_get_symbol(entry)), text(kmod_module_symbol_get_symbol(entry)),
	       text(kmod_module_dependency_symbol_get_symbol(entry)), kmod_module_dependency_symbol_get_bind(entry),
	       text(kmod_module_section_get_name(entry)), kmod_module_section_get_address(entry));
	printf("%s: %#llx %#llx %#llx\n", what, (unsigned long long)kmod_module_version_get_crc(entry),
	       (unsigned long long)kmod_module_symbol_get_crc(entry),
	       (unsigned long long)kmod_module_dependency_symbol_get_crc(entry));
	kmod_module_unref(mod);
}

/* Any accessor may be asked of any entry. */
static void test_entries_of_other_kinds(void)
{
	struct kmod_ctx *ctx = world();
	struct kmod_module *mod = named(ctx, "mid"), *base = named(ctx, "base");
	struct kmod_list *modules = kmod_module_get_dependencies(mod), *sections = kmod_module_get_sections(base);
	struct kmod_list *info = NULL, *versions = NULL, *symbols = NULL, *needs = NULL;
	kmod_module_get_info(mod, &info);
	kmod_module_get_versions(mod, &versions);
	kmod_module_get_symbols(mod, &symbols);
	kmod_module_get_dependency_symbols(mod, &needs);
	all_accessors("a module", modules);
	all_accessors("a string", info);
	all_accessors("a version", versions);
	all_accessors("a symbol", symbols);
	all_accessors("a need", needs);
	printf("a section has a name: %d\n", kmod_module_section_get_name(sections) != NULL);
	/* And any function frees any list. */
	kmod_module_info_free_list(modules);
	kmod_module_unref_list(info);
	kmod_module_section_free_list(versions);
	kmod_module_dependency_symbols_free_list(symbols);
	kmod_module_versions_free_list(needs);
	kmod_module_symbols_free_list(sections);
	kmod_module_unref(base);
	kmod_module_unref(mod);
	kmod_unref(ctx);
}

/* Modules that the database says need each other, or themselves: they cannot be used, and nobody holds them for good. */
static void test_dependencies_in_a_circle(void)
{
	static const char *const names[] = { "top", "mid", "base", "lone", NULL };
	struct kmod_module *mods[4];
	unlink(MODULES "/modules.dep.bin");
	put(MODULES "/modules.dep",
	    "kernel/top.ko: kernel/mid.ko\nkernel/mid.ko: kernel/base.ko kernel/top.ko\nkernel/base.ko: kernel/base.ko\n"
	    "kernel/lone.ko: kernel/top.ko\n");
	struct kmod_ctx *ctx = world();
	log_to_stdout(ctx);
	for (int i = 0; names[i] != NULL; i++) {
		mods[i] = named(ctx, names[i]);
		struct kmod_list *needs = kmod_module_get_dependencies(mods[i]);
		print_modules(names[i], needs);
		kmod_module_unref_list(needs);
	}
	for (int i = 0; names[i] != NULL; i++)
		kmod_module_unref(mods[i]);
	printf("gone: %d\n", kmod_unref(ctx) == NULL);
}

#define TEST(name) { #name, test_##name }
static const struct test tests[] = {
	TEST(forbidden_modules),
	TEST(loads_pin),
	TEST(environment_of_commands),
	TEST(contexts_of_threads),
	TEST(descriptors),
	TEST(module_truncated_meanwhile),
	TEST(damaged_indexes),
	TEST(lists_that_are_there),
	TEST(entries_of_other_kinds),
	TEST(dependencies_in_a_circle),
	TEST(damaged_configuration),
	/* The last one: it leaves nothing of the database. */
	TEST(truncated_indexes),
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_test(tests, argc, argv);
}
