/* What the tests of the C library share: each prints what it sees, and the output of three libraries is compared. */
#ifndef SHOW_H
#define SHOW_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libkmod.h>

/* Where the prepared world has its modules. */
#define MODULES "/lib/modules/6.1.0-test"

static inline const char *text(const char *string)
{
	return string != NULL ? string : "(null)";
}

/* A context of the prepared world, which must come about. */
static inline struct kmod_ctx *world(void)
{
	struct kmod_ctx *ctx = kmod_new(MODULES, NULL);
	if (ctx == NULL) {
		printf("no context\n");
		exit(1);
	}
	return ctx;
}

/* The object of a name. */
static inline struct kmod_module *named(struct kmod_ctx *ctx, const char *name)
{
	struct kmod_module *mod = NULL;
	if (kmod_module_new_from_name(ctx, name, &mod) < 0 || mod == NULL) {
		printf("no object for %s\n", name);
		exit(1);
	}
	return mod;
}

/* A message in one line, without the place in the source, and without addresses. */
static inline void print_message(void *data, int priority, const char *file, int line, const char *fn,
				 const char *format, va_list args)
{
	va_list again;
	char whole[4096], other[4096];
	(void)line;
	va_copy(again, args);
	vsnprintf(whole, sizeof whole, format, args);
	vsnprintf(other, sizeof other, format, again);
	va_end(again);
	printf("[%s %d%s%s] %s", (const char *)data, priority, file == NULL ? " no file" : "",
	       fn == NULL ? " no function" : "", whole);
	if (strcmp(whole, other) != 0)
		printf("a copied list differs: %s", other);
}

static inline void log_to_stdout(struct kmod_ctx *ctx)
{
	kmod_set_log_fn(ctx, print_message, "log");
}

/* The modules of a list, in both directions. */
static inline void print_modules(const char *what, struct kmod_list *list)
{
	struct kmod_list *node;
	printf("%s:", what);
	kmod_list_foreach(node, list)
	{
		struct kmod_module *mod = kmod_module_get_module(node);
		printf(" %s(%s)", text(kmod_module_get_name(mod)), text(kmod_module_get_path(mod)));
		kmod_module_unref(mod);
	}
	printf("\n%s backwards:", what);
	if (list != NULL)
		kmod_list_foreach_reverse(node, list)
		{
			struct kmod_module *mod = kmod_module_get_module(node);
			printf(" %s", text(kmod_module_get_name(mod)));
			kmod_module_unref(mod);
		}
	printf("\n");
}

static inline void lookup(struct kmod_ctx *ctx, const char *name)
{
	struct kmod_list *list = NULL;
	int result = kmod_module_new_from_lookup(ctx, name, &list);
	printf("lookup %s: %d\n", name, result);
	print_modules(name, list);
	kmod_module_unref_list(list);
}

/* A table of tests: PROGRAM --list names them, PROGRAM NAME runs one. */
struct test {
	const char *name;
	void (*run)(void);
};

static inline int run_test(const struct test *tests, int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	for (; tests->name != NULL; tests++) {
		if (argc == 2 && strcmp(argv[1], "--list") == 0)
			printf("%s\n", tests->name);
		else if (argc == 2 && strcmp(argv[1], "--all") == 0)
			tests->run();
		else if (argc == 2 && strcmp(argv[1], tests->name) == 0) {
			tests->run();
			return 0;
		}
	}
	return 0;
}

#endif
