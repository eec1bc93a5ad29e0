/* What programs ask of the library, for measuring: ask context DIRECTORY, ask lookups DIRECTORY NAMES, ask info DIRECTORY NAMES. */
#include <stdio.h>
#include <string.h>

#include <libkmod.h>

/* Asks for each line of a file; says how many modules, or strings, there were. */
static int ask(struct kmod_ctx *ctx, const char *path, bool info)
{
	char line[4096];
	long asked = 0, found = 0, without = 0;
	FILE *names = fopen(path, "r");
	if (names == NULL)
		return 1;
	while (fgets(line, sizeof line, names) != NULL) {
		struct kmod_list *list = NULL, *node, *strings = NULL;
		struct kmod_module *mod;
		line[strcspn(line, "\n")] = '\0';
		asked++;
		if (info) {
			if (kmod_module_new_from_name(ctx, line, &mod) < 0)
				continue;
			int count = kmod_module_get_info(mod, &strings);
			found += count > 0 ? count : 0;
			without += count <= 0;
			kmod_module_info_free_list(strings);
			kmod_module_unref(mod);
			continue;
		}
		kmod_module_new_from_lookup(ctx, line, &list);
		without += list == NULL;
		kmod_list_foreach(node, list)
		{
			mod = kmod_module_get_module(node);
			found += kmod_module_get_name(mod) != NULL;
			kmod_module_unref(mod);
		}
		kmod_module_unref_list(list);
	}
	fclose(names);
	printf("%ld asked for, %ld found, nothing for %ld\n", asked, found, without);
	return 0;
}

int main(int argc, char **argv)
{
	const char *none[] = { NULL };
	if (argc < 3)
		return 2;
	struct kmod_ctx *ctx = kmod_new(argv[2], none);
	if (ctx == NULL)
		return 1;
	if (argc == 4) {
		kmod_set_log_fn(ctx, NULL, NULL);
		if (kmod_load_resources(ctx) < 0)
			return 1;
		if (ask(ctx, argv[3], strcmp(argv[1], "info") == 0) != 0)
			return 1;
	}
	kmod_unref(ctx);
	return 0;
}
