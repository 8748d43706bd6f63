/* critic.h - a value head for PPO: what a state is worth, read off the model's
 * last hidden row.
 *
 * v = w . h + b, trained on (v - return)^2 / 2 beside the policy; its gradient
 * reaches the model through the hidden rows (Schulman et al. 2017). */
#ifndef TRAIN_CRITIC_H
#define TRAIN_CRITIC_H

#include "model/backward.h"
#include "train/checkpoint.h"
#include "train/job.h"
#include "train/pack.h"

typedef struct critic critic;

/* Starts at v = 0. Its weights and moments are added to arrays. */
critic *critic_new(const job *j, int d_model, checkpoint_list *arrays);
void critic_free(critic *c);                     /* accepts NULL */
void critic_resumed(critic *c, int64_t steps);   /* after a checkpoint was loaded */

/* The reward of the sequence with this origin in the packs to come. */
void critic_reward(critic *c, int origin, double reward);

/* After tape_forward of a pack of whole sequences: values of all targets'
 * rows, advantages [n_target] by GAE, and returns. */
void critic_advantages(critic *c, tape *t, pool *threads, const pack *p, double *advantage);

/* Gradient of scale * 0.5 * sum (v - return)^2 to the hidden rows [n_row,
 * d_model], borrowed until the next call; the head's own is kept for
 * critic_update. */
const float *critic_gradient(critic *c, double scale);

void critic_update(critic *c);                   /* one AdamW step of the head */

#endif
