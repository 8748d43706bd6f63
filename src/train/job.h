/* job.h - what a training run is asked to do: one JSON object.
 *
 * The shape is that of the public fine-tuning API (model, training_file,
 * validation_file, seed, suffix, method); what it lacks stands under "ponder".
 * Every key is checked: one that is not known is an error, as is a value out of
 * range, and both are named by their path.
 *
 *   model             path of a GGUF file or folder; may be absent with
 *                     ponder.scratch, which makes one
 *   training_file     JSONL rows; or ponder.mixture, problems made as needed
 *   method            {"type": "supervised" | "dpo" | "reinforcement",
 *                      TYPE: {"hyperparameters": {...}, "grader": {...}}}
 *   ponder            job_ponder's fields by name
 *
 * Hyperparameters "auto" or absent take the values the comments below give. */
#ifndef TRAIN_JOB_H
#define TRAIN_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "reason/ask.h"
#include "train/mixture.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/scratch.h"

typedef enum job_stage {
    STAGE_PRETRAIN,          /* every token is a target */
    STAGE_SFT,               /* the assistant's tokens are */
    STAGE_DPO,
    STAGE_RL,
} job_stage;

typedef enum rl_advantage {
    ADVANTAGE_CENTER,        /* r - mean of the group */
    ADVANTAGE_ZSCORE,        /* (r - mean) / (sd + 1e-4) */
    ADVANTAGE_GAE,           /* PPO: a value head, generalised advantage estimation */
} rl_advantage;

typedef enum rl_overlong {
    OVERLONG_ZERO,           /* cut off: reward 0, and it counts (default) */
    OVERLONG_KEEP,           /* graded like any other */
    OVERLONG_MASK,           /* graded for the group's mean, but not learnt from */
} rl_overlong;

typedef struct job_rl {
    int groups;              /* prompts a step, 64 */
    int group_size;          /* answers a prompt, 8 */
    int max_think;           /* tokens, 320 */
    int max_answer;          /* tokens, 64 */
    double temperature;      /* 1 */
    rl_advantage advantage;
    rl_overlong overlong;
    bool sequence_ratio;     /* GSPO: one ratio a sequence, its length's root */
    double clip_low, clip_high;  /* 0.2, 0.28 (GSPO 3e-4, 4e-4); of several updates */
    double kl;               /* weight of the k3 estimate to the start, 0 */
    int updates;             /* optimizer steps a batch of rollouts, 1 */
    int max_refill;          /* times groups without variance are replaced, 2 */
    bool curriculum;         /* shares follow p (1 - p) of each cell's success */
    double curriculum_floor; /* least share of a cell beside it, 0.1 */
    double format_gate;      /* share of the reward that needs a well-formed trace:
                              * 1: an ill-formed trace earns nothing; 0 */
    double process;          /* declared ablation: weight of the share of true steps, 0 */
    double replay;           /* supervised examples' share of the targets, 0 */
    double gamma, lambda;    /* GAE, 1 and 0.95 */
    double value_rate;       /* learning rate of the value head, 1e-3 */
} job_rl;

typedef struct job {
    json_t *json;            /* as read, for the run's records */
    char *model;             /* path */
    char *training_file, *validation_file;   /* or NULL */
    char *output;            /* ponder.output: the run's folder */
    uint64_t seed;
    effort effort;           /* of rollouts on training_file, medium */
    job_stage stage;
    json_t *grader;          /* borrowed from json, or NULL */

    bool from_scratch;
    scratch_shape scratch;
    int scratch_rope[16];
    int dtype;               /* of the matrices in training: BF16 or F32 */
    int n_ctx;               /* 1024, at most the model's */
    int64_t steps;
    int n_epoch;             /* of training_file, 3 */
    int batch_size;          /* examples a step of training_file, 32 */
    int batch_tokens;        /* rows a step of a mixture, 16384 */
    int max_rows;            /* rows of one taped pass, 8192 */
    schedule rate;           /* peak 1e-3, cosine to a tenth, 50 steps of warm-up */
    optimizer_options optimizer;
    int lora_rank;           /* 0: all weights */
    double lora_alpha;       /* 32 */
    double router_balance;   /* 0.01 */
    bool calculator;         /* results of marks (decode/calculator.h) are forced in
                              * rollouts and no targets in a file's examples; off */
    double dpo_beta;         /* 0.1 */
    int checkpoint_every;    /* steps, 200 */
    int keep;                /* checkpoints, 3 */
    int eval_every;          /* steps; 0: at the end only */
    int eval_problems;       /* a cell, 64 */
    int64_t eval_steps[32];  /* besides, at these */
    int n_eval_step;
    int log_rollouts;        /* rollouts written out a step; -1: all */
    mixture *mixture;        /* or NULL */
    mixture *eval_mixture;   /* ponder.eval, or NULL: the mixture itself */
    mixture *replay_mixture;
    job_rl rl;
    char hash[CHECKPOINT_HASH];  /* of what decides the bits of the run */
} job;

/* E_IO, or E_FORMAT / E_LIMIT / E_ARG with the path of the key at fault. */
status job_read(job *out, const char *path, errtext *err);
status job_parse(job *out, json_t *json, const char *where, errtext *err);   /* takes json */
void job_fini(job *j);                           /* accepts a zeroed job */

#endif
