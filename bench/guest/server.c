/*
 * Fills a guest's memory with what programs on a server keep there, made from real files, and sleeps for ever.
 *
 *   server NAME [KIND=MiB ...]
 *     from=DIR      (a path) where real text comes from: files without NUL in their first bytes; give it first
 *     cache=MiB     an LRU cache on the heap: hash table, list pointers, keys, and values that are lines of real text
 *     tree=MiB      an ordered index on the heap: a treap of nodes with pointers and counters
 *     log=MiB       buffers of log lines
 *     columns=MiB   a table by columns: times, prices, codes, identifiers
 *     pool=MiB      a shared buffer pool: database pages of 8 KiB with rows of real text, partly full
 *     arena=MiB     an arena of which every fourth page was written after it was cleared
 *     media=MiB     what does not compress: encrypted or compressed buffers
 *     threads=N     (a number)
 *     files=N       (a number) small files below /mnt/tmp, 1000 a directory
 *     thp, hugetlb, small
 *                   the log and columns after this are in transparent huge pages, in the hugetlb pool, in small pages
 *     exit          leaves it all to the free list
 *
 * The same arguments and files give the same contents: every number comes from a generator with a seed.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1ul << 20)
#define HUGE_PAGE (2 * MIB)
#define PAGE 4096ul

static const char *name;
static const char *backing = "small";

static uint64_t state;
static uint64_t number(void) /* xorshift64* */
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dull;
}
static uint32_t below(uint32_t limit)
{
	return (number() >> 32) * limit >> 32;
}

static char *map(size_t length, int flags)
{
	char *start = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
	if (start == MAP_FAILED)
		err(1, "%s: mmap of %zu bytes", name, length);
	return start;
}

/** A region backed as the command line says. */
static char *region(size_t length)
{
	if (!strcmp(backing, "hugetlb"))
		return map(length, MAP_PRIVATE | MAP_HUGETLB);
	int huge = !strcmp(backing, "thp");
	char *start = map(length + HUGE_PAGE, MAP_PRIVATE);
	start = (char *)(((uintptr_t)start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	madvise(start, length, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return start;
}

/* Real text: one line after the other, from one file after the other, starting over at the end. */

static char **texts;
static size_t text_count, text_at;
static const char *line_at, *text_start, *text_end;

static int note_text(const char *path, const struct stat *info, int type, struct FTW *where)
{
	char head[512];
	(void)where;
	if (type != FTW_F || info->st_size < 2048)
		return 0;
	int fd = open(path, O_RDONLY);
	ssize_t length = fd < 0 ? -1 : read(fd, head, sizeof head);
	if (fd >= 0)
		close(fd);
	if (length <= 0 || memchr(head, 0, length))
		return 0;
	if (!(text_count & (text_count - 1)))
		texts = realloc(texts, (text_count ? text_count * 2 : 1) * sizeof *texts);
	texts[text_count++] = strdup(path);
	return 0;
}

static size_t next_line(const char **line)
{
	for (;;) {
		while (line_at < text_end) {
			const char *end = memchr(line_at, '\n', text_end - line_at);
			if (!end)
				end = text_end;
			size_t length = end - line_at;
			*line = line_at;
			line_at = end + 1;
			if (length >= 8)
				return length > 1000 ? 1000 : length;
		}
		if (text_start)
			munmap((void *)text_start, text_end - text_start);
		if (!text_count)
			errx(1, "%s: no text", name);
		struct stat info;
		int fd = open(texts[text_at++ % text_count], O_RDONLY);
		if (fd < 0 || fstat(fd, &info))
			err(1, "%s: %s", name, texts[(text_at - 1) % text_count]);
		text_start = line_at = mmap(NULL, info.st_size, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		text_end = text_start + info.st_size;
		if (text_start == MAP_FAILED)
			errx(1, "%s: cannot map %s", name, texts[(text_at - 1) % text_count]);
	}
}

struct item {
	struct item *next_in_bucket, *newer, *older;
	uint64_t created_ns, expires_ns;
	uint32_t hash, hits, length;
	uint16_t flags, references;
	char *key;
	char *value;
};

static void *volatile keep[64];
static int kept;

static void cache(size_t limit)
{
	size_t buckets = limit / 512, used = buckets * 8;
	struct item **table = calloc(buckets, sizeof *table), *newest = NULL;
	keep[kept++] = table;
	for (uint64_t serial = 0; used < limit; serial++) {
		const char *line;
		size_t length = next_line(&line);
		char key[64];
		int key_length = snprintf(key, sizeof key, "%s:%llu:%x", name, (unsigned long long)serial, below(1 << 20));
		struct item *item = malloc(sizeof *item);
		item->key = malloc(key_length + 1);
		item->value = malloc(length + 1);
		if (!item->key || !item->value)
			errx(1, "%s: out of memory", name);
		memcpy(item->key, key, key_length + 1);
		memcpy(item->value, line, length);
		item->value[length] = 0;
		item->hash = number() >> 32;
		item->hits = below(100) < 80 ? below(4) : below(5000);
		item->length = length;
		item->flags = below(4);
		item->references = 1;
		item->created_ns = 1700000000000000000ull + serial * 1310720 + below(1000000);
		item->expires_ns = item->created_ns + 3600000000000ull;
		item->older = newest;
		item->newer = NULL;
		if (newest)
			newest->newer = item;
		newest = item;
		struct item **bucket = &table[item->hash % buckets];
		item->next_in_bucket = *bucket;
		*bucket = item;
		used += sizeof *item + key_length + length + 40;
		if (below(16) == 0) { /* some are freed again: holes with what was there */
			free(item->value);
			item->value = NULL;
		}
	}
	keep[kept++] = newest;
}

struct node {
	struct node *left, *right, *parent;
	uint64_t key;
	uint32_t priority, count;
	uint64_t row, changed;
};

static void tree(size_t limit)
{
	struct node *root = NULL;
	uint64_t serial = 0;
	for (size_t used = 0; used < limit; used += sizeof *root + 8, serial++) {
		struct node *node = calloc(1, sizeof *node), **link = &root, *parent = NULL;
		/* Nearly ascending keys in a few hundred ranges: what an index of customers and dates sees. */
		node->key = (uint64_t)below(400) << 32 | (uint32_t)(serial * 64 + below(64));
		node->priority = number() >> 32;
		node->count = below(9) + 1;
		node->row = serial << 13 | below(200);
		node->changed = 1700000000ull + serial / 50;
		while (*link && (*link)->priority >= node->priority) {
			parent = *link;
			link = node->key < parent->key ? &parent->left : &parent->right;
		}
		/* Split what hangs here by the key, below the new node. */
		struct node *rest = *link, **left = &node->left, **right = &node->right;
		struct node *left_parent = node, *right_parent = node;
		*link = node;
		node->parent = parent;
		while (rest) {
			if (rest->key < node->key) {
				*left = rest;
				rest->parent = left_parent;
				left_parent = rest;
				left = &rest->right;
				rest = rest->right;
			} else {
				*right = rest;
				rest->parent = right_parent;
				right_parent = rest;
				right = &rest->left;
				rest = rest->left;
			}
		}
		*left = *right = NULL;
	}
	keep[kept++] = root;
}

static void logs(size_t length)
{
	static const char *const methods[] = { "GET", "GET", "GET", "GET", "POST", "HEAD", "PUT" };
	static const int codes[] = { 200, 200, 200, 200, 304, 304, 404, 302, 500 };
	char *at = region(length), *end = at + length;
	uint64_t ms = 1700000000000ull;
	const char *path = "";
	size_t path_length = 0;
	while (end - at > 700) {
		if (below(3) == 0 || !path_length)
			path_length = next_line(&path);
		ms += below(40);
		at += snprintf(at, 700, "%llu.%03u 10.%u.%u.%u %s /%u/%.*s %d %u %u.%03u \"%s/%u\"\n", (unsigned long long)(ms / 1000),
			       (unsigned)(ms % 1000), below(4), below(32), below(256), methods[below(7)], below(9000),
			       (int)(path_length > 60 ? 60 : path_length), path, codes[below(9)], below(90000), below(3), below(1000), name,
			       below(64));
	}
}

static void columns(size_t length)
{
	size_t rows = length / 32;
	uint64_t *time = (uint64_t *)region((length + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1));
	double *price = (double *)(time + rows);
	uint64_t *id = (uint64_t *)(price + rows);
	uint32_t *code = (uint32_t *)(id + rows), *amount = code + rows;
	uint64_t now = 1700000000000000ull;
	int32_t cents = 1000000;
	for (size_t row = 0; row < rows; row++) {
		uint64_t random = number();
		now += random % 1000;
		cents += (int)(random >> 20 & 63) - 31;
		time[row] = now;
		price[row] = cents / 100.0;
		id[row] = 4000000000ull + (random >> 26 & 0x3ffff);
		code[row] = random >> 44 & (random >> 50 & 1 ? 3 : 255);
		amount[row] = (random >> 52 & 7) * 100;
	}
}

static void pool(size_t length)
{
	struct header { uint64_t lsn; uint16_t checksum, flags, lower, upper, special, version; uint32_t xid; };
	char *start = map(length, MAP_SHARED);
	for (size_t block = 0; block < length / 8192; block++) {
		char *page = start + block * 8192;
		struct header *header = (struct header *)page;
		uint32_t *pointers = (uint32_t *)(header + 1);
		unsigned upper = 8192, count = 0, fill = 8192 - below(8192) * (below(3) == 0);
		for (;;) {
			const char *line;
			size_t size = next_line(&line);
			size_t tuple = (24 + 16 + size + 7) & ~7ul;
			if (sizeof *header + (count + 1) * 4 + tuple > upper || 8192 - upper > fill)
				break;
			upper -= tuple;
			uint32_t *head = (uint32_t *)(page + upper);
			head[0] = 90000 + block / 7;
			head[1] = below(20) ? 0 : 95000 + block / 5;
			head[3] = block;
			head[4] = (count + 1) | 5 << 16;
			head[5] = 0x09021800;
			head[6] = block * 40 + count;
			head[8] = below(1000);
			memcpy(page + upper + 40, line, size);
			pointers[count++] = upper | 1 << 15 | (uint32_t)(40 + size) << 17;
		}
		*header = (struct header){ 0x16b374d848ull + block * 312, number() >> 48, 4, sizeof *header + count * 4, upper, 8192, 8196,
					   90000 + block / 9 };
	}
}

static void arena(size_t length)
{
	char *start = map(length, MAP_PRIVATE);
	madvise(start, length, MADV_NOHUGEPAGE);
	for (size_t offset = 0; offset < length; offset += PAGE) {
		memset(start + offset, 0, PAGE);
		if (offset / PAGE % 4 == 0)
			for (unsigned i = below(500); i--;)
				((uint64_t *)(start + offset))[i] = i % 3 ? (uintptr_t)start + below(length) / 16 * 16 : below(1000);
	}
}

static void media(size_t length)
{
	uint64_t *at = (uint64_t *)region(length);
	for (size_t i = 0; i < length / 8; i++)
		at[i] = number();
}

static void files(long count)
{
	char path[256];
	for (long i = 0; i < count; i++) {
		if (i % 1000 == 0) {
			snprintf(path, sizeof path, "/mnt/tmp/%s-%ld", name, i / 1000);
			mkdir(path, 0755);
		}
		/* Every third name is too long for the dentry itself, every eighth file has contents. */
		snprintf(path, sizeof path, "/mnt/tmp/%s-%ld/%x%s-%ld", name, i / 1000, below(1 << 24),
			 i % 3 ? "" : "-a-session-file-with-a-name-of-more-than-forty-characters", i);
		int fd = open(path, O_WRONLY | O_CREAT, 0644);
		if (fd < 0)
			err(1, "%s: %s", name, path);
		if (i % 8 == 0 && text_count) {
			const char *line;
			size_t length = next_line(&line);
			if (write(fd, line, length) != (ssize_t)length)
				err(1, "%s: %s", name, path);
		}
		close(fd);
	}
}

static void *thread(void *argument)
{
	for (;;)
		pause();
	return argument;
}

int main(int argc, char **argv)
{
	name = argc > 1 ? argv[1] : "server";
	prctl(PR_SET_NAME, name);
	state = 88172645463325252ull;
	for (const char *c = name; *c; c++)
		state = state * 31 + *c;
	for (int i = 2; i < argc; i++) {
		const char *amount = strchr(argv[i], '=') ? strchr(argv[i], '=') + 1 : "";
		const char *kind = strndup(argv[i], strcspn(argv[i], "="));
		long n = atol(amount);
		if (!strcmp(kind, "from")) {
			nftw(amount, note_text, 32, FTW_PHYS);
			text_at = text_count ? below(text_count) : 0;
		} else if (!strcmp(kind, "cache"))
			cache(n * MIB);
		else if (!strcmp(kind, "tree"))
			tree(n * MIB);
		else if (!strcmp(kind, "log"))
			logs(n * MIB);
		else if (!strcmp(kind, "columns"))
			columns(n * MIB);
		else if (!strcmp(kind, "pool"))
			pool(n * MIB);
		else if (!strcmp(kind, "arena"))
			arena(n * MIB);
		else if (!strcmp(kind, "media"))
			media(n * MIB);
		else if (!strcmp(kind, "files"))
			files(n);
		else if (!strcmp(kind, "threads"))
			for (pthread_t id; n > 0; n--)
				pthread_create(&id, NULL, thread, NULL);
		else if (!strcmp(kind, "thp") || !strcmp(kind, "hugetlb") || !strcmp(kind, "small"))
			backing = kind;
		else if (!strcmp(kind, "exit"))
			return 0;
		else
			errx(1, "%s: unknown kind %s", name, kind);
	}
	printf("%s is up, pid %d\n", name, getpid());
	fflush(stdout);
	thread(NULL);
}
