/* A kernel as small as can be, for tests of what is read from a vmlinux: layouts of every shape, their truth by the compiler, and data to erase. */
#include <stddef.h>

const char linux_banner[] = "Linux version 6.1.0-tiny (tests@localhost) (gcc) #1 SMP\n";
unsigned long phys_base = 0x3200000;
unsigned int __pgtable_l5_enabled = 0;
char _stext[16] = "text";

struct list_head {
	struct list_head *next, *prev;
};
typedef struct {
	long counter;
} atomic64_t;
typedef atomic64_t atomic_long_t;
typedef struct {
	unsigned long bits[16];
} nodemask_t;
enum node_states { N_POSSIBLE, N_ONLINE, NR_NODE_STATES };
enum zone_stat_item { NR_FREE_PAGES, NR_ZONE_INACTIVE_ANON };
enum pageflags { PG_locked, PG_lru = 4, PG_slab = 9, PG_swapcache, PG_private = 13, PG_head = 16, PG_swapbacked = 19, PG_hwpoison = 23 };
enum compound_dtor_id { NULL_COMPOUND_DTOR, COMPOUND_PAGE_DTOR, HUGETLB_PAGE_DTOR };
nodemask_t node_states[NR_NODE_STATES];
enum zone_stat_item a_stat;
enum pageflags a_flag;
enum compound_dtor_id a_dtor;

struct page {
	unsigned long flags;
	union {
		struct {
			union {
				struct list_head lru;
				struct {
					void *filler;
					unsigned int mlock_count;
				};
			};
			void *mapping;
			unsigned long index;
			unsigned long private;
		};
		struct {
			unsigned long compound_head;
			unsigned char compound_dtor, compound_order;
		};
	};
	union {
		int _mapcount;
		unsigned int page_type;
	};
	int _refcount;
};
struct free_area {
	struct list_head free_list[5];
	unsigned long nr_free;
};
struct zone {
	unsigned int small : 3, other : 9;
	unsigned long spanned_pages;
	struct free_area free_area[11];
	atomic_long_t vm_stat[11] __attribute__((aligned(64)));
} __attribute__((aligned(64)));
typedef struct pglist_data {
	struct zone node_zones[4];
	int nr_zones;
	unsigned long node_start_pfn;
	unsigned long node_spanned_pages;
	int node_id;
} pg_data_t;
struct mem_section {
	unsigned long section_mem_map;
	unsigned long *pad[3];
};
struct uts_namespace {
	char name[6][65];
	volatile const int *user;
} __attribute__((packed)) init_uts_ns = { .name = { "Linux", "secret-host" } };
struct mem_section **mem_section;
/* Declared without its length, then defined: the definition counts. */
extern struct pglist_data *node_data[];
struct pglist_data *node_data[64];
struct page a_page;

#define SIZE(x) { "SIZE(" #x ")", sizeof(struct x) }
#define SIZE_T(x) { "SIZE(" #x ")", sizeof(x) }
#define OFFSET(s, m) { "OFFSET(" #s "." #m ")", offsetof(struct s, m) }
#define NUMBER(x) { "NUMBER(" #x ")", x }
const struct {
	char key[56];
	long value;
} truth[] = {
	SIZE(page), SIZE(zone), SIZE(pglist_data), SIZE(mem_section), SIZE(free_area), SIZE(list_head), SIZE_T(nodemask_t),
	SIZE_T(atomic_long_t), OFFSET(page, flags), OFFSET(page, lru), OFFSET(page, mapping), OFFSET(page, private),
	OFFSET(page, compound_head), OFFSET(page, compound_order), OFFSET(page, compound_dtor), OFFSET(page, _mapcount),
	OFFSET(page, _refcount), OFFSET(zone, free_area), OFFSET(zone, vm_stat), OFFSET(zone, spanned_pages),
	OFFSET(pglist_data, node_zones), OFFSET(pglist_data, nr_zones), OFFSET(pglist_data, node_id),
	OFFSET(pglist_data, node_start_pfn), OFFSET(pglist_data, node_spanned_pages), OFFSET(mem_section, section_mem_map),
	OFFSET(uts_namespace, name), OFFSET(list_head, next), OFFSET(list_head, prev), OFFSET(free_area, free_list),
	{ "OFFSET(atomic_long_t.counter)", offsetof(atomic_long_t, counter) },
	{ "LENGTH(zone.free_area)", 11 }, { "LENGTH(free_area.free_list)", 5 }, { "LENGTH(node_data)", 64 },
	NUMBER(NR_FREE_PAGES), NUMBER(N_ONLINE), NUMBER(PG_lru), NUMBER(PG_slab), NUMBER(PG_swapcache), NUMBER(PG_private),
	NUMBER(PG_swapbacked), NUMBER(PG_hwpoison), NUMBER(HUGETLB_PAGE_DTOR), { "NUMBER(PG_head_mask)", 1 << PG_head },
	{ "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)", -129 }, { "NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)", -257 },
	{ "", 0 },
};

/* What is erased. */
struct task {
	char comm[16];
	const char *command;
	unsigned int length;
	void *key;
	struct list_head tasks;
	struct task *sibling;
	struct {
		unsigned int uid;
	} cred;
	unsigned int state : 3;
};
extern struct task init_task, second, third;
struct task third = { "third", "cat secrets", 3, 0, { &init_task.tasks, &second.tasks }, 0 };
struct task second = { "second", "sh", 5, (void *)0xffffffff81000000, { &third.tasks, &init_task.tasks }, &third };
struct task init_task = { "init", 0, 7, &second, { &second.tasks, &third.tasks }, &second, { 4711 } };
struct task *first_task = &init_task;
struct task *all_tasks[] = { &third, 0, &init_task };
struct task pool[3] = { { "one" }, { "two" }, { "three" } };
char *words[] = { "alpha", 0, "omega!" };
char password[24] = "correct horse";
unsigned long password_length = 7;
unsigned char small_length = 2;
long negative_length = -1;
void *blob = password;
LIST_TYPE *opaque_pointer = 0;
/* Lists that are broken. */
struct list_head empty = { &empty, &empty };
struct list_head bitten, tail;
struct list_head bitten = { &tail, 0 };
struct list_head loop_a, loop_b;
struct list_head tail = { &loop_a, 0 }, loop_a = { &loop_b, 0 }, loop_b = { &loop_a, 0 };
struct list_head poisoned = { (void *)0xdead000000000100, 0 };
struct list_head nowhere = { (void *)0xffffffffdead0000, 0 };
struct task *lost = (void *)0xffffffffdead0000;
static int twice __attribute__((used)) = 1;

void _start(void)
{
}
