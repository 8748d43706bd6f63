/* test_store.c - objects, items, events, lines, contents of one store. */
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "store_case.h"

static store *s;

static void setup(void)
{
    dir_make();
    s = open_store(true);
}

static void teardown(void)
{
    store_close(s);
    dir_remove();
}

static void reopen(void)
{
    store_close(s);
    s = open_store(true);
}

START_TEST(object_comes_back_as_it_was_created_also_after_a_restart)
{
    store_object o = {
        .kind = STORE_BATCH, .id = "batch_1", .tenant = "a", .status = "validating",
        .body = "{\"x\":\"\xC3\xA9\"}", .hidden = "{\"y\":1}", .metadata = "{\"k\":\"v\"}",
        .label = "/v1/responses", .model = "o1", .created_at = 123,
    };
    store_object got;

    OKAY(store_create(s, &o, NULL, &err));
    reopen();
    OKAY(store_get(s, STORE_BATCH, "a", "batch_1", &got, &err));
    ck_assert_str_eq(got.id, "batch_1");
    ck_assert_str_eq(got.tenant, "a");
    ck_assert_str_eq(got.status, "validating");
    ck_assert_str_eq(got.body, o.body);
    ck_assert_str_eq(got.hidden, o.hidden);
    ck_assert_str_eq(got.metadata, o.metadata);
    ck_assert_str_eq(got.label, o.label);
    ck_assert_str_eq(got.model, o.model);
    ck_assert_ptr_null(got.parent);
    ck_assert_int_eq(got.created_at, 123);
    ck_assert(!got.final);
    store_object_fini(&got);
}
END_TEST

START_TEST(another_tenant_neither_sees_changes_nor_deletes)
{
    store_change change = { .status = "x", .expires_at = -1 };
    store_item item = { .id = "msg_1", .body = "{}" };
    store_page page = { .limit = 10 };
    store_end end = { .status = "completed", .expires_at = -1 };
    store_objects list;
    store_items items;
    store_events events;
    store_content content;
    bool found;

    create(s, STORE_RESPONSE, "a", "resp_1", NULL);
    append(s, NULL, "a", "resp_1", 0, 2);
    OKAY(store_items_append(s, "a", "resp_1", "input", &item, 1, &found, &err));
    put_file(s, "a", "file-1", "abc", 3);

    ck_assert(!exists(s, STORE_RESPONSE, "b", "resp_1"));
    OKAY(store_update(s, STORE_RESPONSE, "b", "resp_1", &change, &found, &err));
    ck_assert(!found);
    OKAY(store_delete(s, STORE_RESPONSE, "b", "resp_1", &found, &err));
    ck_assert(!found);
    OKAY(store_list(s, STORE_RESPONSE, "b", NULL, &page, &list, &err));
    ck_assert_int_eq(list.n, 0);
    OKAY(store_items_list(s, "b", "resp_1", "input", &page, &items, &err));
    ck_assert_int_eq(items.n, 0);
    OKAY(store_item_find(s, "b", NULL, NULL, "msg_1", &items, &err));
    ck_assert_int_eq(items.n, 0);
    OKAY(store_items_append(s, "b", "resp_1", "input", &item, 1, &found, &err));
    ck_assert(!found);
    OKAY(store_item_delete(s, "b", "resp_1", "input", "msg_1", &found, &err));
    ck_assert(!found);
    OKAY(store_events_list(s, "b", "resp_1", -1, 10, &events, &err));
    ck_assert(!events.found && events.n == 0);
    ck_assert_int_eq(store_events_append(s, NULL, "b", "resp_1", 2,
                                         &(store_event){ .type = "t", .body = "{}" }, 1, &err),
                     E_INTERRUPTED);
    OKAY(store_finish(s, NULL, "b", "resp_1", &end, &found, &err));
    ck_assert(!found);
    OKAY(store_content_open(s, "b", "file-1", &content, &err));
    ck_assert_int_eq(content.fd, -1);
    ck_assert(exists(s, STORE_RESPONSE, "a", "resp_1"));
}
END_TEST

START_TEST(kind_is_part_of_the_name)
{
    create(s, STORE_RESPONSE, "a", "x_1", NULL);
    ck_assert(!exists(s, STORE_BATCH, "a", "x_1"));
}
END_TEST

START_TEST(taken_and_malformed_ids_are_refused)
{
    static const char *const bad[] = { "", "../x", "a/b", ".new-1", "a b", "caf\xC3\xA9",
        "0123456789012345678901234567890123456789012345678901234567890123" };
    store_object o = { .kind = STORE_FILE, .tenant = "a" };

    create(s, STORE_RESPONSE, "a", "resp_1", NULL);
    o.id = "resp_1";
    ck_assert_int_eq(store_create(s, &o, NULL, &err), E_ARG);
    ck_assert_str_eq(err.text, "id 'resp_1' is taken");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        o.id = bad[i];
        ck_assert_int_eq(store_create(s, &o, NULL, &err), E_ARG);
    }
}
END_TEST

START_TEST(lists_page_through_everything_once_in_both_orders)
{
    char id[STORE_MAX_ID];

    for (int i = 0; i < 25; i++) {
        snprintf(id, sizeof id, "r_%d", i);
        create(s, STORE_RESPONSE, i == 7 ? "b" : "a", id, NULL);
    }
    for (int down = 0; down < 2; down++) {
        store_page page = { .limit = 10, .descending = down };
        char after[STORE_MAX_ID];
        int n = 0, pages = 0;
        bool more = true;

        while (more) {
            store_objects list;

            OKAY(store_list(s, STORE_RESPONSE, "a", NULL, &page, &list, &err));
            for (int i = 0; i < list.n; i++, n++) {
                int want = down ? 24 - n : n;

                if (down ? want <= 7 : want >= 7) want += down ? -1 : 1;
                snprintf(id, sizeof id, "r_%d", want);
                ck_assert_str_eq(list.at[i].id, id);
            }
            more = list.has_more;
            snprintf(after, sizeof after, "%s", list.at[list.n - 1].id);
            page.after = after;
            store_objects_fini(&list);
            pages++;
        }
        ck_assert_int_eq(n, 24);
        ck_assert_int_eq(pages, 3);
    }
}
END_TEST

START_TEST(cursor_that_names_nothing_is_reported)
{
    store_page page = { .limit = 10, .after = "nowhere" };
    store_objects list;

    create(s, STORE_RESPONSE, "a", "r_1", NULL);
    OKAY(store_list(s, STORE_RESPONSE, "a", NULL, &page, &list, &err));
    ck_assert(list.lost && list.n == 0);
    store_objects_fini(&list);
}
END_TEST

START_TEST(filters_choose_by_metadata_model_label_and_parent)
{
    store_object o[4] = {
        { .id = "c_0", .metadata = "{\"team\":\"x\",\"n\":\"1\"}", .model = "o1" },
        { .id = "c_1", .metadata = "{\"team\":\"x\",\"n\":\"2\"}", .model = "o1" },
        { .id = "c_2", .metadata = "{\"team\":\"y\"}", .model = "o1-mini", .label = "batch" },
        { .id = "c_3", .parent = "c_0" },
    };
    struct { store_filter f; const char *want; } cases[] = {
        { { .metadata = "{\"team\":\"x\"}" }, "c_0 c_1 " },
        { { .metadata = "{\"team\":\"x\",\"n\":\"2\"}" }, "c_1 " },
        { { .metadata = "{\"team\":\"z\"}" }, "" },
        { { .metadata = "{}" }, "c_0 c_1 c_2 c_3 " },
        { { .model = "o1" }, "c_0 c_1 " },
        { { .model = "o1", .metadata = "{\"n\":\"1\"}" }, "c_0 " },
        { { .label = "batch" }, "c_2 " },
        { { .parent = "c_0" }, "c_3 " },
        { { .status = "nothing" }, "" },
    };

    for (int i = 0; i < 4; i++) {
        o[i].kind = STORE_COMPLETION;
        o[i].tenant = "a";
        OKAY(store_create(s, &o[i], NULL, &err));
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        store_page page = { .limit = 10 };
        store_objects list;
        char got[64] = "";

        OKAY(store_list(s, STORE_COMPLETION, "a", &cases[i].f, &page, &list, &err));
        for (int k = 0; k < list.n; k++) strcat(strcat(got, list.at[k].id), " ");
        ck_assert_str_eq(got, cases[i].want);
        store_objects_fini(&list);
    }
}
END_TEST

START_TEST(update_replaces_what_is_named_and_leaves_the_rest)
{
    store_change change = { .metadata = "{\"a\":\"b\"}", .expires_at = -1 };
    store_object got;
    bool found;

    create(s, STORE_COMPLETION, "a", "c_1", NULL);
    OKAY(store_update(s, STORE_COMPLETION, "a", "c_1", &change, &found, &err));
    ck_assert(found);
    OKAY(store_get(s, STORE_COMPLETION, "a", "c_1", &got, &err));
    ck_assert_str_eq(got.metadata, "{\"a\":\"b\"}");
    ck_assert_str_eq(got.status, "queued");
    store_object_fini(&got);
    OKAY(store_update(s, STORE_COMPLETION, "a", "nothing", &change, &found, &err));
    ck_assert(!found);
}
END_TEST

START_TEST(delete_takes_items_events_children_and_contents_along)
{
    store_object child = { .kind = STORE_EVAL_RUN, .id = "run_1", .tenant = "a",
                           .parent = "eval_1" };
    store_item item = { .id = "msg_1", .body = "{}" };
    char path[128];
    store_items items;
    bool found;

    create(s, STORE_EVAL, "a", "eval_1", NULL);
    OKAY(store_create(s, &child, NULL, &err));
    OKAY(store_items_append(s, "a", "run_1", "item", &item, 1, &found, &err));
    OKAY(store_delete(s, STORE_EVAL, "a", "eval_1", &found, &err));
    ck_assert(found);
    ck_assert(!exists(s, STORE_EVAL_RUN, "a", "run_1"));
    OKAY(store_item_find(s, "a", NULL, NULL, "msg_1", &items, &err));
    ck_assert_int_eq(items.n, 0);

    put_file(s, "a", "file-1", "abc", 3);
    snprintf(path, sizeof path, "%s/files/file-1", test_dir);
    ck_assert_int_eq(access(path, F_OK), 0);
    OKAY(store_delete(s, STORE_FILE, "a", "file-1", &found, &err));
    ck_assert_int_ne(access(path, F_OK), 0);
    OKAY(store_delete(s, STORE_FILE, "a", "file-1", &found, &err));
    ck_assert(!found);
}
END_TEST

START_TEST(expired_object_is_gone_at_once_and_removed_later)
{
    store_object o = { .kind = STORE_RESPONSE, .id = "resp_old", .tenant = "a",
                       .expires_at = store_now() - 10 };
    store_object kept = { .kind = STORE_RESPONSE, .id = "resp_new", .tenant = "a",
                          .expires_at = store_now() + 1000 };
    store_object busy = o;
    int n;

    busy.id = "resp_busy";
    OKAY(store_create(s, &o, NULL, &err));
    OKAY(store_create(s, &kept, NULL, &err));
    OKAY(store_create(s, &busy, &(store_start){ .queue = "q" }, &err));
    ck_assert(!exists(s, STORE_RESPONSE, "a", "resp_old"));
    ck_assert(exists(s, STORE_RESPONSE, "a", "resp_new"));
    OKAY(store_expire(s, store_now(), 100, &n, &err));
    ck_assert_int_eq(n, 1);      /* what is queued stays until it is done */
    OKAY(store_expire(s, store_now(), 100, &n, &err));
    ck_assert_int_eq(n, 0);
}
END_TEST

START_TEST(items_keep_their_order_and_page_by_id)
{
    store_item first[2] = { { .id = "i0", .body = "0" }, { .id = "i1", .body = "1" } };
    store_item more[2] = { { .id = "i2", .body = "2" }, { .id = "i3", .body = "3" } };
    store_page page = { .limit = 2, .after = "i0" };
    store_items l;
    bool found;

    create(s, STORE_CONVERSATION, "a", "conv_1", NULL);
    OKAY(store_items_append(s, "a", "conv_1", "item", first, 2, &found, &err));
    OKAY(store_items_append(s, "a", "conv_1", "item", more, 2, &found, &err));
    ck_assert(found);
    OKAY(store_items_list(s, "a", "conv_1", "item", &page, &l, &err));
    ck_assert_int_eq(l.n, 2);
    ck_assert_str_eq(l.at[0].body, "1");
    ck_assert_str_eq(l.at[1].body, "2");
    ck_assert(l.has_more);
    store_items_fini(&l);
    page = (store_page){ .limit = 10, .descending = true };
    OKAY(store_items_list(s, "a", "conv_1", "item", &page, &l, &err));
    ck_assert_int_eq(l.n, 4);
    ck_assert_str_eq(l.at[0].id, "i3");
    ck_assert(!l.has_more);
    store_items_fini(&l);
    OKAY(store_item_delete(s, "a", "conv_1", "item", "i2", &found, &err));
    ck_assert(found);
    OKAY(store_item_find(s, "a", "conv_1", "item", "i2", &l, &err));
    ck_assert_int_eq(l.n, 0);
    OKAY(store_item_find(s, "a", NULL, NULL, "i3", &l, &err));
    ck_assert_str_eq(l.at[0].body, "3");
    store_items_fini(&l);
}
END_TEST

START_TEST(item_put_twice_at_a_position_stands_once)
{
    store_page page = { .limit = 10 };
    store_items l;
    bool found;

    create(s, STORE_JOB, "a", "ftjob-1", NULL);
    for (int i = 0; i < 2; i++) {
        store_item item = { .id = "ftckpt_1", .body = i ? "{\"step\":40}" : "{}" };

        OKAY(store_item_put(s, "a", "ftjob-1", "checkpoint", 40, &item, &found, &err));
    }
    OKAY(store_items_list(s, "a", "ftjob-1", "checkpoint", &page, &l, &err));
    ck_assert_int_eq(l.n, 1);
    ck_assert_int_eq(l.at[0].position, 40);
    ck_assert_str_eq(l.at[0].body, "{\"step\":40}");
    store_items_fini(&l);
}
END_TEST

START_TEST(events_are_numbered_without_gaps_and_resume_after_any)
{
    store_events l;
    store_event one = { .type = "t", .body = "{}" };

    create(s, STORE_RESPONSE, "a", "resp_1", NULL);
    append(s, NULL, "a", "resp_1", 0, 5);
    ck_assert_int_eq(store_events_append(s, NULL, "a", "resp_1", 6, &one, 1, &err), E_ARG);
    ck_assert_str_eq(err.text, "event 6 would leave a gap: the next is 5");
    append(s, NULL, "a", "resp_1", 3, 4);        /* 3 and 4 are there already */
    OKAY(store_events_list(s, "a", "resp_1", 2, 3, &l, &err));
    ck_assert_int_eq(l.n, 3);
    ck_assert_int_eq(l.at[0].sequence, 3);
    ck_assert_str_eq(l.at[2].body, "{\"n\":5}");
    ck_assert_int_eq(l.n_event, 7);
    ck_assert(l.found && !l.final);
    store_events_fini(&l);
    OKAY(store_events_cut(s, NULL, "a", "resp_1", 2, &err));
    OKAY(store_events_list(s, "a", "resp_1", -1, 100, &l, &err));
    ck_assert_int_eq(l.n, 2);
    ck_assert_int_eq(l.n_event, 2);
    store_events_fini(&l);
    append(s, NULL, "a", "resp_1", 2, 1);
}
END_TEST

START_TEST(end_state_is_taken_once_and_brings_everything_with_it)
{
    store_item in = { .id = "in_1", .body = "\"q\"" }, out = { .id = "out_1", .body = "\"r\"" };
    store_item had = { .id = "had_1", .body = "\"h\"" };
    store_object o = { .kind = STORE_RESPONSE, .id = "resp_1", .tenant = "a", .status = "queued" };
    store_start start = { .list = "input", .items = &in, .n_item = 1 };
    store_event last = { .type = "response.completed", .body = "{\"last\":1}" };
    store_end end = { .status = "completed", .body = "{\"done\":1}", .items = &out, .n_item = 1,
                      .first_event = 2, .events = &last, .n_event = 1,
                      .conversation = "conv_1", .expires_at = -1 };
    store_page page = { .limit = 10 };
    store_object got;
    store_items l;
    store_events events;
    bool ok;

    create(s, STORE_CONVERSATION, "a", "conv_1", NULL);
    OKAY(store_items_append(s, "a", "conv_1", "item", &had, 1, &ok, &err));
    OKAY(store_create(s, &o, &start, &err));
    append(s, NULL, "a", "resp_1", 0, 2);
    OKAY(store_finish(s, NULL, "a", "resp_1", &end, &ok, &err));
    ck_assert(ok);
    end.status = "cancelled";
    OKAY(store_finish(s, NULL, "a", "resp_1", &end, &ok, &err));
    ck_assert(!ok);
    OKAY(store_update(s, STORE_RESPONSE, "a", "resp_1",
                      &(store_change){ .status = "queued", .expires_at = -1 }, &ok, &err));
    ck_assert_int_eq(store_events_append(s, NULL, "a", "resp_1", 3, &last, 1, &err),
                     E_INTERRUPTED);

    OKAY(store_get(s, STORE_RESPONSE, "a", "resp_1", &got, &err));
    ck_assert(got.final);
    ck_assert_str_eq(got.status, "completed");
    ck_assert_str_eq(got.body, "{\"done\":1}");
    store_object_fini(&got);
    OKAY(store_events_list(s, "a", "resp_1", -1, 10, &events, &err));
    ck_assert(events.final && events.n == 3);
    ck_assert_str_eq(events.at[2].body, "{\"last\":1}");
    store_events_fini(&events);
    OKAY(store_items_list(s, "a", "conv_1", "item", &page, &l, &err));
    ck_assert_int_eq(l.n, 3);
    ck_assert_str_eq(l.at[0].id, "had_1");
    ck_assert_str_eq(l.at[1].id, "in_1");
    ck_assert_str_eq(l.at[2].id, "out_1");
    store_items_fini(&l);
}
END_TEST

START_TEST(lines_are_counted_once_and_their_results_stay)
{
    store_line lines[3] = {
        { .line = 1, .custom_id = "a", .offset = 0, .bytes = 10 },
        { .line = 2, .custom_id = "b", .offset = 10, .bytes = 20 },
        { .line = 3, .custom_id = "a", .offset = 30, .bytes = 5 },
    };
    store_line_counts counts;
    store_lines l;
    bool changed;

    create(s, STORE_BATCH, "a", "batch_1", NULL);
    ck_assert_int_eq(store_lines_add(s, NULL, "a", "batch_1", lines, 3, &err), E_ARG);
    ck_assert_str_eq(err.text, "line 3: custom_id 'a' is another line's");
    lines[2].custom_id = "c";
    OKAY(store_lines_add(s, NULL, "a", "batch_1", lines, 3, &err));
    OKAY(store_lines_add(s, NULL, "a", "batch_1", lines, 3, &err));
    OKAY(store_line_finish(s, NULL, "a", "batch_1", 2, STORE_LINE_DONE, "{\"r\":2}", &changed,
                           &err));
    ck_assert(changed);
    OKAY(store_line_finish(s, NULL, "a", "batch_1", 2, STORE_LINE_FAILED, "{\"r\":3}", &changed,
                           &err));
    ck_assert(!changed);
    OKAY(store_line_finish(s, NULL, "a", "batch_1", 3, STORE_LINE_FAILED, "{\"e\":3}", &changed,
                           &err));
    ck_assert_int_eq(store_line_finish(s, NULL, "a", "batch_1", 9, STORE_LINE_DONE, "{}",
                                       &changed, &err), E_ARG);
    OKAY(store_lines_count(s, "a", "batch_1", &counts, &err));
    ck_assert_int_eq(counts.total, 3);
    ck_assert_int_eq(counts.done, 1);
    ck_assert_int_eq(counts.failed, 1);
    OKAY(store_lines_list(s, "a", "batch_1", STORE_LINE_WAITING, 0, 10, &l, &err));
    ck_assert_int_eq(l.n, 1);
    ck_assert_int_eq(l.at[0].line, 1);
    store_lines_fini(&l);
    OKAY(store_lines_list(s, "a", "batch_1", STORE_LINE_DONE, 0, 10, &l, &err));
    ck_assert_str_eq(l.at[0].result, "{\"r\":2}");
    ck_assert_int_eq(l.at[0].offset, 10);
    store_lines_fini(&l);
}
END_TEST

START_TEST(content_has_its_size_and_hash_and_is_checked)
{
    store_content c;
    char path[128], back[8] = "";
    int fd;

    put_file(s, "a", "file-1", "abc", 3);
    reopen();
    OKAY(store_content_open(s, "a", "file-1", &c, &err));
    ck_assert_int_eq(c.bytes, 3);
    ck_assert_str_eq(c.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    ck_assert_int_eq(read(c.fd, back, sizeof back), 3);
    ck_assert_str_eq(back, "abc");
    close(c.fd);
    OKAY(store_content_verify(s, "a", "file-1", &err));

    snprintf(path, sizeof path, "%s/files/file-1", test_dir);
    fd = open(path, O_WRONLY);
    ck_assert_int_eq(pwrite(fd, "X", 1, 1), 1);
    close(fd);
    ck_assert_int_eq(store_content_verify(s, "a", "file-1", &err), E_FORMAT);
    ck_assert_int_eq(truncate(path, 2), 0);
    ck_assert_int_eq(store_content_open(s, "a", "file-1", &c, &err), E_FORMAT);
    ck_assert_int_eq(c.fd, -1);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(store_content_open(s, "a", "file-1", &c, &err), E_IO);
    ck_assert_int_eq(store_content_verify(s, "a", "nothing", &err), E_ARG);
}
END_TEST

START_TEST(upload_that_is_too_large_or_given_up_leaves_nothing)
{
    char command[128];
    store_upload *u;

    OKAY(store_upload_begin(&u, s, 4, &err));
    OKAY(store_upload_write(u, "abcd", 4, &err));
    ck_assert_int_eq(store_upload_write(u, "e", 1, &err), E_LIMIT);
    ck_assert_int_eq(store_upload_commit(u, &(store_object){ .kind = STORE_FILE, .id = "file-1",
                                                            .tenant = "a" }, &err), E_IO);
    OKAY(store_upload_begin(&u, s, 4, &err));
    store_upload_abort(u);
    create(s, STORE_RESPONSE, "a", "taken", NULL);
    OKAY(store_upload_begin(&u, s, 4, &err));
    ck_assert_int_eq(store_upload_commit(u, &(store_object){ .kind = STORE_FILE, .id = "taken",
                                                            .tenant = "a" }, &err), E_ARG);
    snprintf(command, sizeof command, "test -z \"$(ls -A '%s/files')\"", test_dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(opening_sweeps_contents_that_no_object_has)
{
    char path[128];
    FILE *f;

    put_file(s, "a", "file-1", "abc", 3);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/files/%s", test_dir, i ? "file-2" : ".new-x");
        f = fopen(path, "w");
        fclose(f);
    }
    reopen();
    ck_assert_int_ne(access(path, F_OK), 0);
    OKAY(store_content_verify(s, "a", "file-1", &err));
}
END_TEST

START_TEST(group_is_kept_whole_or_not_at_all)
{
    store_object bad = { .kind = STORE_RESPONSE, .id = "r_1", .tenant = "a" };
    bool found;

    OKAY(store_begin(s, STORE_SYNCED, &err));
    create(s, STORE_RESPONSE, "a", "r_1", NULL);
    ck_assert(exists(s, STORE_RESPONSE, "a", "r_1"));        /* sees its own writes */
    store_rollback(s);
    ck_assert(!exists(s, STORE_RESPONSE, "a", "r_1"));

    put_file(s, "a", "file-1", "abc", 3);
    OKAY(store_begin(s, STORE_WRITTEN, &err));
    create(s, STORE_RESPONSE, "a", "r_1", NULL);
    ck_assert_int_eq(store_create(s, &bad, NULL, &err), E_ARG);    /* undoes itself alone */
    create(s, STORE_RESPONSE, "a", "r_2", NULL);
    OKAY(store_delete(s, STORE_FILE, "a", "file-1", &found, &err));
    OKAY(store_content_verify(s, "a", "file-1", &err) == E_ARG ? OK : E_IO);
    OKAY(store_commit(s, &err));
    reopen();
    ck_assert(exists(s, STORE_RESPONSE, "a", "r_1"));
    ck_assert(exists(s, STORE_RESPONSE, "a", "r_2"));
    ck_assert(!exists(s, STORE_FILE, "a", "file-1"));
}
END_TEST

START_TEST(rolled_back_delete_keeps_the_content)
{
    bool found;

    put_file(s, "a", "file-1", "abc", 3);
    OKAY(store_begin(s, STORE_SYNCED, &err));
    OKAY(store_delete(s, STORE_FILE, "a", "file-1", &found, &err));
    store_rollback(s);
    OKAY(store_content_verify(s, "a", "file-1", &err));
}
END_TEST

START_TEST(secrets_are_made_once_and_differ_by_name)
{
    uint8_t a[32], b[32], again[32];

    OKAY(store_secret(s, "sealing", a, &err));
    OKAY(store_secret(s, "other", b, &err));
    reopen();
    OKAY(store_secret(s, "sealing", again, &err));
    ck_assert(!memcmp(a, again, 32));
    ck_assert(memcmp(a, b, 32));
}
END_TEST

START_TEST(idempotency_key_stands_for_the_first_request)
{
    uint8_t hash[32] = { 1 }, other[32] = { 2 };
    char id[STORE_MAX_ID] = "resp_1";
    bool known, same;

    OKAY(store_idempotency(s, "a", "key", hash, id, 60, &known, &same, &err));
    ck_assert(!known);
    strcpy(id, "resp_2");
    OKAY(store_idempotency(s, "a", "key", hash, id, 60, &known, &same, &err));
    ck_assert(known && same);
    ck_assert_str_eq(id, "resp_1");
    OKAY(store_idempotency(s, "a", "key", other, id, 60, &known, &same, &err));
    ck_assert(known && !same);
    OKAY(store_idempotency(s, "b", "key", other, id, 60, &known, &same, &err));
    ck_assert(!known);
    OKAY(store_idempotency(s, "c", "key", hash, id, 0, &known, &same, &err));
    OKAY(store_idempotency(s, "c", "key", other, id, 0, &known, &same, &err));
    ck_assert(!known);               /* the first was forgotten */
}
END_TEST

START_TEST(new_ids_are_valid_and_differ)
{
    char a[STORE_MAX_ID], b[STORE_MAX_ID];

    store_new_id(a, "resp_");
    store_new_id(b, "resp_");
    ck_assert_int_eq(strncmp(a, "resp_", 5), 0);
    ck_assert_uint_eq(strlen(a), 37);
    ck_assert_str_ne(a, b);
    create(s, STORE_RESPONSE, "a", a, NULL);
}
END_TEST

/* ------------------------------------------------------------------- threads */

static void *write_some(void *arg)
{
    long thread = (long)arg;
    errtext e;

    for (int i = 0; i < 40; i++) {
        store_object o = { .kind = STORE_RESPONSE, .tenant = "a" }, got;
        char id[STORE_MAX_ID];

        snprintf(id, sizeof id, "r_%ld_%d", thread, i);
        o.id = id;
        if (i % 10 == 0 && store_begin(s, STORE_SYNCED, &e) != OK) return "begin";
        if (store_create(s, &o, NULL, &e) != OK) return "create";
        if (store_get(s, STORE_RESPONSE, "a", id, &got, &e) != OK || !got.id) return "get";
        store_object_fini(&got);
        if (i % 10 == 5 && store_commit(s, &e) != OK) return "commit";
    }
    return NULL;
}

START_TEST(sixteen_threads_write_and_read_at_once)
{
    pthread_t threads[16];
    store_page page = { .limit = 1000 };
    store_objects list;

    for (long i = 0; i < 16; i++) pthread_create(&threads[i], NULL, write_some, (void *)i);
    for (int i = 0; i < 16; i++) {
        void *failed;

        pthread_join(threads[i], &failed);
        ck_assert_msg(!failed, "%s", (char *)failed);
    }
    OKAY(store_list(s, STORE_RESPONSE, "a", NULL, &page, &list, &err));
    ck_assert_int_eq(list.n, 16 * 40);
    store_objects_fini(&list);
}
END_TEST

static void *write_later(void *arg)
{
    errtext e;

    (void)arg;
    usleep(20000);
    store_events_append(s, NULL, "a", "r_1", 0, &(store_event){ .type = "t", .body = "{}" }, 1,
                        &e);
    return NULL;
}

START_TEST(waiting_ends_with_the_next_commit)
{
    pthread_t thread;
    store_events l;
    uint64_t seen;

    create(s, STORE_RESPONSE, "a", "r_1", NULL);
    seen = store_version(s);
    pthread_create(&thread, NULL, write_later, NULL);
    store_wait(s, seen, 20);
    OKAY(store_events_list(s, "a", "r_1", -1, 10, &l, &err));
    ck_assert_int_eq(l.n, 1);
    store_events_fini(&l);
    pthread_join(thread, NULL);
    store_wait(s, store_version(s), 0.01);       /* nothing comes: comes back */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *tc = tcase_create("store");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, object_comes_back_as_it_was_created_also_after_a_restart);
    tcase_add_test(tc, another_tenant_neither_sees_changes_nor_deletes);
    tcase_add_test(tc, kind_is_part_of_the_name);
    tcase_add_test(tc, taken_and_malformed_ids_are_refused);
    tcase_add_test(tc, lists_page_through_everything_once_in_both_orders);
    tcase_add_test(tc, cursor_that_names_nothing_is_reported);
    tcase_add_test(tc, filters_choose_by_metadata_model_label_and_parent);
    tcase_add_test(tc, update_replaces_what_is_named_and_leaves_the_rest);
    tcase_add_test(tc, delete_takes_items_events_children_and_contents_along);
    tcase_add_test(tc, expired_object_is_gone_at_once_and_removed_later);
    tcase_add_test(tc, items_keep_their_order_and_page_by_id);
    tcase_add_test(tc, item_put_twice_at_a_position_stands_once);
    tcase_add_test(tc, events_are_numbered_without_gaps_and_resume_after_any);
    tcase_add_test(tc, end_state_is_taken_once_and_brings_everything_with_it);
    tcase_add_test(tc, lines_are_counted_once_and_their_results_stay);
    tcase_add_test(tc, content_has_its_size_and_hash_and_is_checked);
    tcase_add_test(tc, upload_that_is_too_large_or_given_up_leaves_nothing);
    tcase_add_test(tc, opening_sweeps_contents_that_no_object_has);
    tcase_add_test(tc, group_is_kept_whole_or_not_at_all);
    tcase_add_test(tc, rolled_back_delete_keeps_the_content);
    tcase_add_test(tc, secrets_are_made_once_and_differ_by_name);
    tcase_add_test(tc, idempotency_key_stands_for_the_first_request);
    tcase_add_test(tc, new_ids_are_valid_and_differ);
    tcase_add_test(tc, sixteen_threads_write_and_read_at_once);
    tcase_add_test(tc, waiting_ends_with_the_next_commit);
    suite_add_tcase(suite, tc);
    sr = srunner_create(suite);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed;
}
