#include "tasks/story.h"

#include <stddef.h>

const char *const story_name[N_NAME] = { "Tom", "Ann", "Ben", "Mia", "Sam", "Eva",
                                         "Max", "Lily", "Jack", "Zoe", "Leo", "Ruth" };

const char *const story_aside[N_ASIDE] = {
    "%p is %k years old.",
    "%p has a brother who is %k.",
    "It is %k degrees outside.",
    "%o has %k pens.",
    "The bus stops at %k places.",
    "%p woke up at %k.",
    "There are %k chairs in the room.",
};

/* Plenty of themes say the same of a person and a heap of things. */
#define OTHER                                                                             \
    [EVENT_TIMES] = "%o has %k times as many.|%o has %k times as many %i as %p.",         \
    [EVENT_MORE] = "%o has %k more than %p.|%o has %k %i more than that.",                \
    [EVENT_FEWER] = "%o has %k fewer than %p.|%o has %k %i less than %p."
#define ASK                                                                               \
    [EVENT_ASK] = "How many %i does %p have now?|How many %i does %p have in the end?",   \
    [EVENT_ASK_BOTH] = "How many %i do they have together?|How many %i do both have?",    \
    [EVENT_ASK_GAP] = "How many more %i does %o have?|How many %i more is that?"

const theme story_theme[N_THEME] = {
    {   /* collecting */
        .item = { "stickers", "stamps", "cards", "shells" },
        .say = {
            [EVENT_HAS] = "%p has %k %i.|%p owns %k %i.",
            [EVENT_GROUPS] = "%p has %n boxes of %k %i.|%p has %n bags with %k %i each.",
            [EVENT_GAIN] = "%p finds %k more.|A friend gives %p %k.|%p gets %k new ones.",
            [EVENT_LOSE] = "%p loses %k.|%p gives %k away.",
            [EVENT_GAIN_GROUPS] = "%p buys %n packs of %k.|%n friends give %p %k each.",
            [EVENT_LOSE_GROUPS] = "%p gives %k to each of %n friends.",
            [EVENT_HALF] = "%p gives half away.|%p loses half of them.",
            OTHER, ASK,
            [EVENT_ASK_EACH] = "%p shares them equally with %k pages of a book. How many go on "
                               "a page?|%p puts all of them into %k equal rows. How many are in "
                               "a row?",
            [EVENT_ASK_WORTH] = "%p sells them at %k dollars each. How many dollars is that?",
        },
        .aux = "new", .max = 150,
    },
    {   /* baking */
        .item = { "cookies", "muffins", "rolls", "pies" },
        .say = {
            [EVENT_HAS] = "%p bakes %k %i.",
            [EVENT_GROUPS] = "%p bakes %n trays of %k %i.|%p fills %n trays with %k %i each.",
            [EVENT_GAIN] = "%p bakes %k more.|Then %p makes another %k.",
            [EVENT_LOSE] = "%p eats %k.|%p burns %k.|%k are eaten.",
            [EVENT_GAIN_GROUPS] = "Then %p bakes %n trays of %k.",
            [EVENT_LOSE_GROUPS] = "%n guests eat %k each.|%p gives %k to each of %n guests.",
            [EVENT_HALF] = "Half of them are eaten.|%p gives away half.",
            OTHER,
            [EVENT_ASK] = "How many %i does %p have left?|How many %i are with %p now?",
            [EVENT_ASK_BOTH] = "How many %i do they have together?",
            [EVENT_ASK_GAP] = "How many more %i does %o have?",
            [EVENT_ASK_EACH] = "%p packs them into %k equal boxes. How many are in a box?|%k "
                               "friends share them equally. How many does each get?",
            [EVENT_ASK_WORTH] = "%p sells each for %k dollars. How many dollars does %p get?",
        },
        .aux = "group", .max = 150,
    },
    {   /* farm */
        .item = { "eggs", "apples", "plums", "pears" },
        .say = {
            [EVENT_HAS] = "%p picks %k %i.|%p brings in %k %i.",
            [EVENT_GROUPS] = "%p fills %n baskets with %k %i each.|%p has %n crates of %k %i.",
            [EVENT_GAIN] = "Later %p gets %k more.|%p finds another %k.",
            [EVENT_LOSE] = "%k are bad.|%p drops %k.|%p eats %k.",
            [EVENT_GAIN_GROUPS] = "Then %p fills %n bags with %k each.",
            [EVENT_LOSE_GROUPS] = "%p sells %n bags of %k.|%n neighbours take %k each.",
            [EVENT_HALF] = "%p sells half of them.|Half of them go to a shop.",
            OTHER, ASK,
            [EVENT_ASK_EACH] = "%p divides them among %k baskets equally. How many are in each?",
            [EVENT_ASK_WORTH] = "Each one brings %p %k dollars. How many dollars are all of "
                                "them worth?",
        },
        .aux = "bags", .max = 150,
    },
    {   /* travelling */
        .item = { "miles" },
        .say = {
            [EVENT_HAS] = "%p drives %k %i.|On Monday %p rides %k %i.",
            [EVENT_GROUPS] = "%p drives %n hours at %k %i an hour.|%p walks %k %i on each of %n "
                             "days.",
            [EVENT_GAIN] = "Then %p goes %k more.|After a rest %p travels another %k %i.",
            [EVENT_GAIN_GROUPS] = "Then %p goes %n hours at %k %i an hour.",
            [EVENT_TIMES] = "%o goes %k times as far.|%o travels %k times the way of %p.",
            [EVENT_MORE] = "%o goes %k %i more than %p.",
            [EVENT_FEWER] = "%o goes %k %i less than %p.",
            [EVENT_ASK] = "How many %i does %p travel?|How far does %p get, in %i?",
            [EVENT_ASK_BOTH] = "How many %i do both travel in all?",
            [EVENT_ASK_GAP] = "How many %i further is that than the way of %p?",
            [EVENT_ASK_EACH] = "This took %p %k days with the same way each day. How many "
                               "%i a day?",
            [EVENT_ASK_WORTH] = "Each mile costs %k dollars. How many dollars does %p pay?",
        },
        .aux = "then", .max = 199,
    },
    {   /* saving */
        .item = { "dollars" },
        .say = {
            [EVENT_HAS] = "%p has %k %i.|%p saves %k %i.",
            [EVENT_GROUPS] = "%p saves %k %i a week for %n weeks.|%p earns %k %i an hour and "
                             "works %n hours.",
            [EVENT_GAIN] = "%p gets %k %i from an aunt.|%p earns %k more.",
            [EVENT_LOSE] = "%p spends %k %i.|%p pays %k for lunch.",
            [EVENT_GAIN_GROUPS] = "%p mows %n lawns for %k %i each.|%n uncles give %p %k each.",
            [EVENT_LOSE_GROUPS] = "%p buys %n toys at %k %i each.|%p pays for %n tickets at %k "
                                  "each.",
            [EVENT_HALF] = "%p spends half of it.|%p lends half of it to a friend.",
            [EVENT_TIMES] = "%o has %k times as much.",
            [EVENT_MORE] = "%o has %k more than %p.",
            [EVENT_FEWER] = "%o has %k less than %p.",
            [EVENT_ASK] = "How many %i does %p have now?|How much money has %p, in %i?",
            [EVENT_ASK_BOTH] = "How many %i do they have together?",
            [EVENT_ASK_GAP] = "How many %i more does %o have than %p?",
            [EVENT_ASK_EACH] = "%p shares it equally among %k sisters. How many %i does "
                               "each get?",
        },
        .aux = "sum", .max = 199,
    },
    {   /* reading */
        .item = { "pages" },
        .say = {
            [EVENT_HAS] = "%p has a book of %k %i.|The book of %p has %k %i.",
            [EVENT_GROUPS] = "%p has a book with %n chapters of %k %i.",
            [EVENT_LOSE] = "%p reads %k %i on Monday.|%p reads %k %i.|Then %p reads %k.",
            [EVENT_LOSE_GROUPS] = "%p reads %k %i a day for %n days.",
            [EVENT_HALF] = "%p reads half of what is left.",
            [EVENT_ASK] = "How many %i are left?|How many %i does %p still have to read?",
            [EVENT_ASK_EACH] = "%p reads the rest in %k days, the same each day. How many %i a "
                               "day?",
        },
        .aux = "read", .max = 199,
    },
    {   /* shopping */
        .item = { "pencils", "books", "balls", "cups" },
        .say = {
            [EVENT_HAS] = "%p wants %k %i for school.|%p puts %k %i into the cart.",
            [EVENT_GROUPS] = "%p takes %n packs of %k %i.|%p orders %n boxes with %k %i each.",
            [EVENT_GAIN] = "%p takes %k more.|%p adds %k.",
            [EVENT_LOSE] = "%p puts %k back.|%k are sold out.",
            [EVENT_GAIN_GROUPS] = "%p adds %n packs of %k.",
            [EVENT_LOSE_GROUPS] = "%p puts %n packs of %k back.",
            [EVENT_HALF] = "%p puts half of them back.",
            [EVENT_TIMES] = "%o buys %k times as many.",
            [EVENT_MORE] = "%o buys %k more than %p.",
            [EVENT_FEWER] = "%o buys %k fewer than %p.",
            [EVENT_ASK] = "How many %i does %p buy?",
            [EVENT_ASK_BOTH] = "How many %i do both buy?",
            [EVENT_ASK_GAP] = "How many more %i does %o buy?",
            [EVENT_ASK_WORTH] = "One costs %k dollars. How many dollars does %p pay?|Each is %k "
                                "dollars. How many dollars do all cost?",
            [EVENT_ASK_CHANGE] = "Each costs %k dollars and %p pays with %n dollars. How many "
                                 "dollars come back?",
        },
        .aux = "packs", .max = 120,
    },
    {   /* garden */
        .item = { "tulips", "roses", "beans", "trees" },
        .say = {
            [EVENT_HAS] = "%p plants %k %i.",
            [EVENT_GROUPS] = "%p plants %n rows of %k %i.|The garden of %p has %n beds with %k "
                             "%i each.",
            [EVENT_GAIN] = "%p plants %k more.|In spring %p adds %k.",
            [EVENT_LOSE] = "%k of them die.|A storm takes %k.|%p loses %k.",
            [EVENT_GAIN_GROUPS] = "%p adds %n rows of %k.",
            [EVENT_LOSE_GROUPS] = "Goats eat %n rows of %k.|%p digs up %n rows of %k.",
            [EVENT_HALF] = "Frost takes half of them.|Half of them do not grow.|%p loses half.",
            OTHER,
            [EVENT_ASK] = "How many %i grow in the garden of %p?|How many %i does %p have?",
            [EVENT_ASK_BOTH] = "How many %i do they have together?",
            [EVENT_ASK_GAP] = "How many more %i does %o have?",
            [EVENT_ASK_EACH] = "They stand in %k equal rows. How many are in a row?|%p has them "
                               "in %k equal rows. How many are in a row?",
        },
        .aux = "rows", .max = 150,
    },
    {   /* bus and school */
        .item = { "children", "people", "students" },
        .say = {
            [EVENT_HAS] = "%p leads a group of %k %i.|%p counts %k %i.",
            [EVENT_GROUPS] = "%p leads %n groups of %k %i.|%p counts %n tables with %k %i each.",
            [EVENT_GAIN] = "%k more join.|%k come late.|%k more join %p.",
            [EVENT_LOSE] = "%k go home.|%k leave early.|%k leave %p.",
            [EVENT_GAIN_GROUPS] = "%n cars bring %p %k more each.",
            [EVENT_LOSE_GROUPS] = "%n cars take %k each away.|%n vans leave with %k each.|%p "
                                  "sends %n cars off with %k each.",
            [EVENT_HALF] = "Then half of them leave.|Half leave %p.",
            [EVENT_TIMES] = "%o leads %k times as many.",
            [EVENT_MORE] = "%o leads %k more than %p.",
            [EVENT_FEWER] = "%o leads %k fewer than %p.",
            [EVENT_ASK] = "How many %i are with %p now?|How many %i does %p count in the end?",
            [EVENT_ASK_BOTH] = "How many %i are there in both groups?",
            [EVENT_ASK_GAP] = "How many more %i does %o lead?",
            [EVENT_ASK_EACH] = "They form %k equal teams. How many are in a team?|%p forms %k "
                               "equal teams. How many are in a team?",
            [EVENT_ASK_WORTH] = "Each pays %k dollars. How many dollars is that in all?|Each "
                                "one with %p pays %k dollars. How many dollars is that?",
        },
        .aux = "cars", .max = 150,
    },
};
