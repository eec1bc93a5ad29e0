/* The function that was in another version until kmod 30, as programs ask for it that were linked then. */
__asm__(".symver kmod_module_new_from_name_lookup, kmod_module_new_from_name_lookup@LIBKMOD_5");

#include "name_lookup.h"

static const struct test tests[] = {
	{ "kmod_module_new_from_name_lookup_until_30", name_lookup },
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_test(tests, argc, argv);
}
