// SPDX-License-Identifier: Apache-2.0
/* Which peer a finding names, and that it names none where none stands out. */
#include <jansson.h>
#include <math.h>
#include "diagnose/peers.h"
#include "fake_why.h"

#define LOST(peer, n) put(g, PEER_METRIC, "retransmit", peer, n)

static const struct scene calm = { .idle = 15 };

/* 590 segments were sent again: some per cent of those in 10 MB. */
static void lose(struct point_group *g)
{
	put(g, "assay.tcp.retransmits", NULL, NULL, 590);
}

static void one_peer(struct point_group *g)
{
	lose(g);
	LOST("10.0.3.7:5432", 412);
	LOST("10.0.3.8:5432", 100);
	LOST("_OTHER", 78);
	/* other events of other peers do not count here */
	put(g, PEER_METRIC, "refused", "10.0.3.9:80", 5000);
	put(g, SERVER_METRIC, "timeout", "10.0.0.10:53", 5000);
}

static const struct evidence *evidence_of(const struct finding *f, const char *metric)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (!strcmp(f->evidence[i].metric, metric))
			return &f->evidence[i];
	fail_msg("no evidence by %s", metric);
	return NULL;
}

static void the_peer_with_most_of_the_loss_is_named(void **state)
{
	struct scene s = { .idle = 15, .fault = one_peer };
	const struct evidence *e;
	const struct finding *f;

	assert_accused(say(&s, &calm), "net.loss");
	f = said.d.found[0];
	assert_string_equal(f->peers.text,
			    "70 % of the retransmits go to 10.0.3.7:5432 "
			    "(412 of 590 in 10 s)");
	assert_true(f->peers.stands_out && f->peers.more);
	assert_int_equal(f->peers.peers, 2);
	assert_true(f->peers.count == 412 && f->peers.all == 590);
	assert_has(f->next, "ss -tin dst 10.0.3.7:5432");
	e = evidence_of(f, PEER_METRIC);
	assert_true(e->number == 412);
	assert_string_equal(e->value, "retransmit");
	assert_string_equal(e->value2, "10.0.3.7:5432");
}

static void many_peers(struct point_group *g)
{
	static char names[14][16];

	lose(g);
	for (int i = 0; i < 14; i++) {
		snprintf(names[i], sizeof(names[i]), "10.0.4.%d:80", i);
		LOST(names[i], i == 9 ? 70 : 40);
	}
}

static void many_peers_and_more(struct point_group *g)
{
	many_peers(g);
	LOST("_OTHER", 10);
}

/* 14 peers, of which none has more than 70 of 590. */
static void where_none_stands_out_none_is_accused(void **state)
{
	struct scene s = { .idle = 15, .fault = many_peers };

	assert_accused(say(&s, &calm), "net.loss");
	assert_string_equal(
	    said.d.found[0]->peers.text,
	    "the retransmits are spread over 14 peers: no more than 12 % "
	    "go to 10.0.4.9:80 (70 of 590 in 10 s)");
	assert_false(said.d.found[0]->peers.stands_out);
	assert_has(said.d.found[0]->next, "ss -tin | grep");
	s.fault = many_peers_and_more;
	assert_accused(say(&s, &calm), "net.loss");
	assert_has(said.d.found[0]->peers.text, "spread over more than 14 peers");
}

static void halves(struct point_group *g)
{
	lose(g);
	LOST("10.0.3.7:5432", 295);
	LOST("10.0.3.8:5432", 295);
}

static void nobody_known(struct point_group *g)
{
	lose(g);
	LOST("_OTHER", 590);
}

static void half_is_not_most_and_the_rest_is_nobody(void **state)
{
	struct scene s = { .idle = 15, .fault = halves };

	assert_accused(say(&s, &calm), "net.loss");
	assert_false(said.d.found[0]->peers.stands_out);
	assert_has(said.d.found[0]->peers.text,
		   "spread over 2 peers: no more than 50 %");
	s.fault = nobody_known;
	assert_accused(say(&s, &calm), "net.loss");
	assert_string_equal(
	    said.d.found[0]->peers.text,
	    "of the retransmits it is not known which peer they are of");
	assert_string_equal(said.d.found[0]->peers.top, "");
	assert_true(isfinite(said.d.found[0]->peers.count));
}

/* As of an agent, or a history, that knew nothing of peers. */
static void without_peers_nothing_is_said_of_them(void **state)
{
	struct scene s = { .idle = 15, .fault = lose };

	assert_accused(say(&s, &calm), "net.loss");
	assert_string_equal(said.d.found[0]->peers.text, "");
	for (size_t i = 0; i < said.d.found[0]->evidence_count; i++)
		assert_string_not_equal(said.d.found[0]->evidence[i].metric,
					PEER_METRIC);
}

static void refuse(struct point_group *g)
{
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 60);
	put(g, "assay.tcp.connect.errors", "ETIMEDOUT", NULL, 20);
	put(g, PEER_METRIC, "refused", "10.0.3.7:81", 60);
	put(g, PEER_METRIC, "timed_out", "10.0.3.9:82", 20);
}

static void time_out(struct point_group *g)
{
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 20);
	put(g, "assay.tcp.connect.errors", "ETIMEDOUT", NULL, 60);
	put(g, PEER_METRIC, "refused", "10.0.3.7:81", 20);
	put(g, PEER_METRIC, "timed_out", "[fd00::9]:82", 60);
}

static void give_up(struct point_group *g)
{
	put(g, "assay.tcp.connect.errors", "aborted", NULL, 60);
	put(g, PEER_METRIC, "failed", "10.0.3.7:83", 60);
	put(g, PEER_METRIC, "refused", "10.0.3.7:81", 2000);
}

static void connects_blame_who_failed_so(void **state)
{
	struct scene s = { .idle = 15, .fault = refuse };

	assert_accused(say(&s, &calm), "net.connect");
	assert_string_equal(
	    said.d.found[0]->peers.text,
	    "100 % of the refused connects went to 10.0.3.7:81 (60 of 60 in "
	    "10 s)");
	s.fault = time_out;
	assert_accused(say(&s, &calm), "net.connect");
	assert_string_equal(said.d.found[0]->peers.top, "[fd00::9]:82");
	s.fault = give_up;
	assert_accused(say(&s, &calm), "net.connect");
	assert_string_equal(said.d.found[0]->peers.top, "10.0.3.7:83");
}

static void no_names(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", "timeout", NULL, 5000 * MS, 40);
	put(g, SERVER_METRIC, "timeout", "[fd00::a]:53", 39);
	put(g, SERVER_METRIC, "timeout", "10.0.0.11:53", 1);
	put(g, SERVER_METRIC, "failed", "10.0.0.11:53", 4000);
}

static void slow_names(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", NULL, NULL, 300 * MS, 80);
	put(g, SERVER_METRIC, "slow", "10.0.0.11:53", 80);
}

static void lookups_name_the_server(void **state)
{
	struct scene s = { .idle = 15, .fault = no_names };

	assert_accused(say(&s, &calm), "net.dns");
	assert_string_equal(
	    said.d.found[0]->peers.text,
	    "98 % of the lookups without an answer asked [fd00::a]:53 (39 of "
	    "40 in 10 s)");
	assert_string_equal(said.d.found[0]->next,
			    "dig @fd00::a NAME   # in the container");
	s.fault = slow_names;
	assert_accused(say(&s, &calm), "net.dns_slow");
	assert_string_equal(said.d.found[0]->peers.top, "10.0.0.11:53");
	assert_string_equal(said.d.found[0]->next,
			    "dig @10.0.0.11 NAME   # in the container");
}

static void hang(struct point_group *g)
{
	AGE("tcp.client", 20);
	put(g, PEER_METRIC, "waited", "10.0.3.7:5432", 3);
	put(g, PEER_METRIC, "connecting", "10.0.3.8:80", 300);
}

static void slow(struct point_group *g)
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 400 * MS, 500);
	put(g, PEER_METRIC, "slower", "10.0.3.7:5432", 500);
	put(g, PEER_METRIC, "slow", "10.0.3.7:5432", 500);
	put(g, PEER_METRIC, "slow", "10.0.3.8:80", 5000);
}

static void hang_at_many(struct point_group *g)
{
	AGE("tcp.connect", 20);
	put(g, PEER_METRIC, "connecting", "10.0.3.7:80", 2);
	put(g, PEER_METRIC, "connecting", "10.0.3.8:80", 2);
	put(g, PEER_METRIC, "connecting", "10.0.3.9:80", 4);
}

static void dependencies_are_named(void **state)
{
	struct scene s = { .idle = 15, .fault = hang };
	const struct evidence *e;

	assert_accused(say(&s, &calm), "net.dependency_hangs");
	assert_string_equal(said.d.found[0]->peers.top, "10.0.3.7:5432");
	/* one that waits is counted in each pass anew: 3 may be one */
	assert_string_equal(said.d.found[0]->peers.text,
			    "100 % of the requests that wait are to 10.0.3.7:5432");
	e = evidence_of(said.d.found[0], PEER_METRIC);
	assert_string_equal(e->unit, "1");
	assert_true(e->number == 1);
	assert_has(said.d.found[0]->next, "ss -tnp dst 10.0.3.7:5432");
	s.fault = hang_at_many;
	assert_accused(say(&s, &calm), "net.dependency_hangs");
	assert_string_equal(
	    said.d.found[0]->peers.text,
	    "the connects that wait are spread over 3 peers: no more than 50 % "
	    "are to 10.0.3.9:80");
	s.fault = slow;
	assert_accused(say(&s, &calm), "net.dependency_slow");
	assert_string_equal(said.d.found[0]->peers.top, "10.0.3.7:5432");
}

/* The answer's two forms. */
static char *said_as(int (*form)(const struct why *, FILE *))
{
	struct why w = { .readings = &said.readings,
			 .workload = &said.d,
			 .source = "agent" };
	size_t len;
	char *text;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(form(&w, f), 0);
	fclose(f);
	return text;
}

static void both_forms_have_it(void **state)
{
	struct scene s = { .idle = 15, .fault = one_peer };
	char *text;
	json_t *top, *peers;

	say(&s, &calm);
	text = said_as(why_table);
	assert_has(text, "\nPeer       70 % of the retransmits go to 10.0.3.7:5432");
	free(text);
	text = said_as(why_json);
	top = json_loads(text, 0, NULL);
	peers = json_object_get(json_array_get(json_object_get(top, "findings"), 0),
				"peers");
	assert_string_equal(json_string_value(json_object_get(peers, "top")),
			    "10.0.3.7:5432");
	assert_true(json_is_true(json_object_get(peers, "stands_out")));
	assert_int_equal(json_integer_value(json_object_get(peers, "peers")), 2);
	assert_true(json_is_false(json_object_get(peers, "each_pass")));
	assert_float_equal(json_real_value(json_object_get(peers, "share")), 0.7, 0.01);
	json_decref(top);
	free(text);
	s.fault = lose;
	say(&s, &calm);
	text = said_as(why_json);
	assert_has(text, "\"peers\": null");
	free(text);
	text = said_as(why_table);
	assert_null(strstr(text, "\nPeer "));
	free(text);
}

/* What waits is counted by each pass: these counts are no requests, and it says so. */
static void counts_of_passes_are_told_as_such(void **state)
{
	struct scene s = { .idle = 15, .fault = hang_at_many };
	char *text;
	json_t *top, *peers;

	say(&s, &calm);
	text = said_as(why_json);
	top = json_loads(text, 0, NULL);
	peers = json_object_get(json_array_get(json_object_get(top, "findings"), 0),
				"peers");
	assert_true(json_is_true(json_object_get(peers, "each_pass")));
	assert_float_equal(json_real_value(json_object_get(peers, "share")), 0.5, 1e-9);
	json_decref(top);
	free(text);
}

static int clean_up(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_peer_with_most_of_the_loss_is_named),
		cmocka_unit_test(where_none_stands_out_none_is_accused),
		cmocka_unit_test(half_is_not_most_and_the_rest_is_nobody),
		cmocka_unit_test(without_peers_nothing_is_said_of_them),
		cmocka_unit_test(connects_blame_who_failed_so),
		cmocka_unit_test(lookups_name_the_server),
		cmocka_unit_test(dependencies_are_named),
		cmocka_unit_test(both_forms_have_it),
		cmocka_unit_test(counts_of_passes_are_told_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, clean_up);
}
