/* SPDX-License-Identifier: MIT */
/*
 * Slots: every role that a tensor can play, listed once, with its GGUF name and its shape in terms
 * of the hyper-parameters. The plan asks for a role by its number and gets a checked weight, or an
 * error that names the tensor, the shape wanted and the shape found. Only shapes worked out here
 * are used later; a tensor's own shape bounds no loop.
 *
 * A role is a base name; the suffixes belong to its kind:
 *   LINEAR   NAME.weight [in, out], a matrix of any weight type; NAME.bias [out] and NAME.scale [1]
 *            where the file has them: (W x) * scale + bias
 *   LINEAR2  the same with (W x + bias) * scale
 *   MATRIX   NAME.weight [in, out] alone
 *   TABLE    NAME.weight [n, rows], looked up by row, and a matrix where it is tied to the output
 *   NORM     NAME.weight [n] or [n, vectors], and NAME.bias of the same shape
 *   VECTOR   NAME.weight [n]
 *   BIAS     NAME.bias [n]
 *   EXPERTS  NAME.weight [in, out, experts]; NAME.bias [out, experts] and NAME.scale [experts]
 * The weight of a norm and a bias may also be called NAME alone. Two roles of one name are two
 * shapes that a tensor may have.
 * Norms, vectors, biases and scales are held in F32: where the file has them so and in memory,
 * there; otherwise in a converted copy. Matrices stay as and where the file has them.
 */
#ifndef SK_MODEL_SLOT_H
#define SK_MODEL_SLOT_H

#include "model/hparam.h"

enum {
    SK_SLOT_LINEAR,
    SK_SLOT_LINEAR2,
    SK_SLOT_MATRIX,
    SK_SLOT_TABLE,
    SK_SLOT_NORM,
    SK_SLOT_VECTOR,
    SK_SLOT_BIAS,
    SK_SLOT_EXPERTS
};

/*
 * X(ID, kind, name, shape): dimensions in the order of the file, separated by commas; each is a sum
 * of products of numbers and these, of the hyper-parameters and the layer:
 *   E n_embd, V n_vocab, H n_head, Hk n_head_kv, dk, dv, R n_rot / 2, F n_ff, Fe n_ff_exp,
 *   Fs n_ff_shared, N n_expert, C n_pos; of recurrent layers K n_tap, D n_inner, S n_state,
 *   T n_rank, G n_key_group, P head_inner, Dg D / G, Td n_dt_plamo, Dn dk_mla - n_rot, Dm dk_mla,
 *   Dv dv_mla, Lk n_latent_kv, Lq n_latent_q, R1 n_rot, Ka n_kda, Kd kda_size, Hz its heads; Hs
 * n_head_size, Hn heads of so many, Ek n_key_values, and ranks of RWKV's: L mix, Lw decay, L6 decay
 * of version 6, La erase, Lv value, Lg gate; Ei n_expert_in; Z2, Z3 n_dense_2, _3; Nb n_bucket, Nl
 *   n_label, Ty n_type; of indexers Hx n_index_head, Dx n_index;
 *   of pooling Cr ratio, Cs 2 where that is 4, else 1, Og n_out_group, Lo n_out_rank, Go a group's
 *   heads' elements; Hc n_stream; Nu n_expert_used; Fc n_ff_chunk, Nc groups of experts; Lp n_layer_in, Ly of all layers, Lr the 64 of Laurel
 * "+" behind the last dimension: at least so many. Where a tensor of a block has one per layer,
 * "blk.%d" goes before the name, %d being the layer.
 */
/* clang-format off */
#define SK_SLOTS(X) \
    X(TOKEN_EMBD,       TABLE,   "token_embd",              "E,V+") \
    X(TOKEN_EMBD_NORM,  NORM,    "token_embd_norm",         "E") \
    X(LAYER_EMBD,       TABLE,   "per_layer_token_embd",    "Ly,V+") \
    X(LAYER_PROJ,       LINEAR,  "per_layer_model_proj",    "E,Ly") \
    X(LAYER_PROJ_NORM,  NORM,    "per_layer_proj_norm",     "Lp") \
    X(LAYER_IN_GATE,    LINEAR,  "blk.%d.inp_gate",         "E,Lp") \
    X(LAYER_IN_PROJ,    LINEAR,  "blk.%d.proj",             "Lp,E") \
    X(LAYER_IN_NORM,    NORM,    "blk.%d.post_norm",        "E") \
    X(LAYER_SCALE,      VECTOR,  "blk.%d.layer_output_scale", "1") \
    X(ALTUP_PROJ,       LINEAR,  "altup_proj",              "E,E,3") \
    X(ALTUP_UNPROJ,     LINEAR,  "altup_unembd_proj",       "E,E,3") \
    X(ALTUP_ROUTER,     LINEAR,  "blk.%d.altup_router",     "E,4") \
    X(ALTUP_ROUTER_NORM, NORM,   "blk.%d.altup_router_norm", "E") \
    X(ALTUP_PREDICT,    LINEAR,  "blk.%d.altup_predict_coef", "4,4*4") \
    X(ALTUP_CORRECT,    LINEAR,  "blk.%d.altup_correct_coef", "4,4") \
    X(ALTUP_SCALE,      VECTOR,  "blk.%d.altup_correct_scale", "E") \
    X(LAUREL_L,         LINEAR,  "blk.%d.laurel_l",         "E,Lr") \
    X(LAUREL_R,         LINEAR,  "blk.%d.laurel_r",         "Lr,E") \
    X(LAUREL_NORM,      NORM,    "blk.%d.laurel_post_norm", "E") \
    X(TOKEN_TYPES,      TABLE,   "token_types",             "E,Ty+") \
    X(POSITION_EMBD,    TABLE,   "position_embd",           "E,C+") \
    X(OUTPUT_NORM,      NORM,    "output_norm",             "E") \
    X(ENC_OUTPUT_NORM,  NORM,    "enc.output_norm",         "E") \
    X(DENSE_2,          LINEAR,  "dense_2",                 "E,Z2") \
    X(DENSE_3,          LINEAR,  "dense_3",                 "Z2,Z3") \
    X(CLS,              LINEAR,  "cls",                     "E,E") \
    X(CLS_NORM,         NORM,    "cls.norm",                "E") \
    X(CLS_OUTPUT,       LINEAR,  "cls.output",              "E,Nl") \
    X(OUTPUT,           LINEAR,  "output",                  "E,V+") \
    X(ROPE_FREQS,       VECTOR,  "rope_freqs",              "R+") \
    X(ROPE_LONG,        VECTOR,  "rope_factors_long",       "R+") \
    X(ROPE_SHORT,       VECTOR,  "rope_factors_short",      "R+") \
    X(ATTN_NORM,        NORM,    "blk.%d.attn_norm",        "E") \
    X(ATTN_NORM_2,      NORM,    "blk.%d.attn_norm_2",      "E") \
    X(POST_ATTN_NORM,   NORM,    "blk.%d.post_attention_norm", "E") \
    X(ATTN_OUTPUT_NORM, NORM,    "blk.%d.attn_output_norm", "E") \
    X(POST_FFW_NORM,    NORM,    "blk.%d.post_ffw_norm",    "E") \
    X(LAYER_OUTPUT_NORM, NORM,   "blk.%d.layer_output_norm", "E") \
    X(ATTN_QKV,         LINEAR,  "blk.%d.attn_qkv",         "E,H*dk+Hk*dk+Hk*dv") \
    X(ATTN_QKV_WIDE,    LINEAR,  "blk.%d.attn_qkv",         "E,3*E") \
    X(ATTN_Q,           LINEAR,  "blk.%d.attn_q",           "E,H*dk") \
    X(ATTN_K,           LINEAR,  "blk.%d.attn_k",           "E,Hk*dk") \
    X(ATTN_V,           LINEAR,  "blk.%d.attn_v",           "E,Hk*dv") \
    X(ATTN_SUB_NORM,    NORM,    "blk.%d.attn_sub_norm",    "H*dv") \
    X(FFN_SUB_NORM,     NORM,    "blk.%d.ffn_sub_norm",     "F") \
    X(ATTN_OUTPUT,      LINEAR,  "blk.%d.attn_output",      "H*dv,E") \
    X(ATTN_Q_NORM,      NORM,    "blk.%d.attn_q_norm",      "dk") \
    X(ATTN_K_NORM,      NORM,    "blk.%d.attn_k_norm",      "dk") \
    X(ATTN_Q_NORM_ALL,  NORM,    "blk.%d.attn_q_norm",      "H*dk") \
    X(ATTN_K_NORM_ALL,  NORM,    "blk.%d.attn_k_norm",      "Hk*dk") \
    X(ATTN_Q_NORM_ROWS, NORM,    "blk.%d.attn_q_norm",      "dk,H") \
    X(ATTN_K_NORM_ROWS, NORM,    "blk.%d.attn_k_norm",      "dk,Hk") \
    X(ATTN_REL_B,       VECTOR,  "blk.%d.attn_rel_b",       "H,Nb") \
    X(ATTN_O,           LINEAR,  "blk.%d.attn_o",           "H*dv,E") \
    X(ATTN_SINKS,       VECTOR,  "blk.%d.attn_sinks",       "H") \
    X(ATTN_GATE,        LINEAR,  "blk.%d.attn_gate",        "E,H*dv") \
    X(ATTN_GATE_HEADS,  LINEAR,  "blk.%d.attn_gate",        "E,H") \
    X(ATTN_Q_GATE,      LINEAR,  "blk.%d.attn_q",           "E,2*H*dk") \
    X(CONV_IN,          LINEAR,  "blk.%d.shortconv.in_proj", "E,3*E") \
    X(CONV_TAPS,        VECTOR,  "blk.%d.shortconv.conv",   "K,E") \
    X(CONV_OUT,         LINEAR,  "blk.%d.shortconv.out_proj", "E,E") \
    X(DELTA_QKV,        LINEAR,  "blk.%d.attn_qkv",         "E,2*G*S+D") \
    X(DELTA_Z,          LINEAR,  "blk.%d.attn_gate",        "E,D") \
    X(DELTA_QKVZ,       LINEAR,  "blk.%d.ssm_in",           "E,2*G*S+2*D") \
    X(DELTA_BETA,       LINEAR,  "blk.%d.ssm_beta",         "E,T") \
    X(DELTA_ALPHA,      LINEAR,  "blk.%d.ssm_alpha",        "E,T") \
    X(DELTA_BA,         LINEAR,  "blk.%d.ssm_ba",           "E,2*T") \
    X(DELTA_TAPS,       VECTOR,  "blk.%d.ssm_conv1d",       "K,2*G*S+D") \
    X(DELTA_A,          NORM,    "blk.%d.ssm_a",            "T") \
    X(DELTA_NORM,       NORM,    "blk.%d.ssm_norm",         "P") \
    X(MAMBA_IN,         LINEAR,  "blk.%d.ssm_in",           "E,2*D") \
    X(MAMBA_TAPS,       VECTOR,  "blk.%d.ssm_conv1d",       "K,D") \
    X(MAMBA_TAPS_BIAS,  BIAS,    "blk.%d.ssm_conv1d",       "D") \
    X(MAMBA_X,          LINEAR,  "blk.%d.ssm_x",            "D,T+2*S") \
    X(MAMBA_DT,         LINEAR,  "blk.%d.ssm_dt",           "T,D") \
    X(MAMBA_A,          NORM,    "blk.%d.ssm_a",            "S,D") \
    X(MAMBA_D,          NORM,    "blk.%d.ssm_d",            "D") \
    X(SSM_DT_NORM,      NORM,    "blk.%d.ssm_dt_norm",      "T") \
    X(SSM_B_NORM,       NORM,    "blk.%d.ssm_b_norm",       "S") \
    X(SSM_C_NORM,       NORM,    "blk.%d.ssm_c_norm",       "S") \
    X(MAMBA2_IN,        LINEAR,  "blk.%d.ssm_in",           "E,2*D+2*G*S+T") \
    X(MAMBA2_TAPS,      VECTOR,  "blk.%d.ssm_conv1d",       "K,D+2*G*S") \
    X(MAMBA2_TAPS_BIAS, BIAS,    "blk.%d.ssm_conv1d",       "D+2*G*S") \
    X(MAMBA2_NORM,      NORM,    "blk.%d.ssm_norm",         "Dg,G") \
    X(SSM_A,            NORM,    "blk.%d.ssm_a",            "1,T") \
    X(SSM_D,            NORM,    "blk.%d.ssm_d",            "1,T") \
    X(PLAMO_X,          LINEAR,  "blk.%d.ssm_x",            "D,2*S+Td") \
    X(PLAMO_DT,         LINEAR,  "blk.%d.ssm_dt",           "Td,T") \
    X(PLAMO_DT_NORM,    NORM,    "blk.%d.ssm_dt_norm",      "Td") \
    X(PLAMO_A,          NORM,    "blk.%d.ssm_a",            "T") \
    X(PLAMO_D,          NORM,    "blk.%d.ssm_d",            "T") \
    X(SSM_DT_BIAS,      BIAS,    "blk.%d.ssm_dt",           "T") \
    X(MLA_Q,            LINEAR,  "blk.%d.attn_q",           "E,H*Dm") \
    X(MLA_Q_A,          LINEAR,  "blk.%d.attn_q_a",         "E,Lq") \
    X(MLA_Q_A_NORM,     NORM,    "blk.%d.attn_q_a_norm",    "Lq") \
    X(MLA_Q_B,          LINEAR,  "blk.%d.attn_q_b",         "Lq,H*Dm") \
    X(MLA_KV,           LINEAR,  "blk.%d.attn_kv_a_mqa",    "E,Lk+R1") \
    X(MLA_KV_NORM,      NORM,    "blk.%d.attn_kv_a_norm",   "Lk") \
    X(MLA_KV_B,         LINEAR,  "blk.%d.attn_kv_b",        "Lk,H*Dn+H*Dv") \
    X(MLA_K_B,          LINEAR,  "blk.%d.attn_k_b",         "Dn,Lk,H") \
    X(MLA_V_B,          LINEAR,  "blk.%d.attn_v_b",         "Lk,Dv,H") \
    X(MLA_OUTPUT,       LINEAR,  "blk.%d.attn_output",      "H*Dv,E") \
    X(INDEX_Q,          LINEAR,  "blk.%d.indexer.attn_q_b", "Lq,Hx*Dx") \
    X(INDEX_K,          LINEAR,  "blk.%d.indexer.attn_k",   "E,Dx") \
    X(INDEX_PROJ,       LINEAR,  "blk.%d.indexer.proj",     "E,Hx") \
    X(INDEX_Q_PROJ,     LINEAR,  "blk.%d.indexer.q_proj",   "E,Hx*Dx") \
    X(INDEX_K_PROJ,     LINEAR,  "blk.%d.indexer.k_proj",   "E,Dx") \
    X(INDEX_Q_NORM,     NORM,    "blk.%d.indexer.q_norm",   "Dx") \
    X(INDEX_K_NORM,     NORM,    "blk.%d.indexer.k_norm",   "Dx") \
    X(INDEX_POOL_VALUES, LINEAR, "blk.%d.indexer_compressor_kv", "E,2*Dx") \
    X(INDEX_POOL_SCORES, LINEAR, "blk.%d.indexer_compressor_gate", "E,2*Dx") \
    X(INDEX_POOL_PLACES, VECTOR, "blk.%d.indexer_compressor_ape", "2*Dx,Cr") \
    X(INDEX_POOL_NORM,  NORM,    "blk.%d.indexer_compressor_norm", "Dx") \
    X(POOL_VALUES,      LINEAR,  "blk.%d.attn_compressor_kv", "E,Cs*dk") \
    X(POOL_SCORES,      LINEAR,  "blk.%d.attn_compressor_gate", "E,Cs*dk") \
    X(POOL_PLACES,      VECTOR,  "blk.%d.attn_compressor_ape", "Cs*dk,Cr") \
    X(POOL_NORM,        NORM,    "blk.%d.attn_compressor_norm", "dk") \
    X(POOL_Q,           LINEAR,  "blk.%d.attn_q_b",         "Lq,H*dk") \
    X(POOL_KV,          LINEAR,  "blk.%d.attn_kv",          "E,dk") \
    X(POOL_KV_NORM,     NORM,    "blk.%d.attn_kv_a_norm",   "dk") \
    X(POOL_OUT_A,       LINEAR,  "blk.%d.attn_output_a",    "Go,Lo,Og") \
    X(POOL_OUT_B,       LINEAR,  "blk.%d.attn_output_b",    "Lo*Og,E") \
    X(HYPER_ATTN,       LINEAR,  "blk.%d.hc_attn_fn",       "Hc*E,Hc*Hc+2*Hc") \
    X(HYPER_ATTN_BASE,  VECTOR,  "blk.%d.hc_attn_base",     "Hc*Hc+2*Hc") \
    X(HYPER_ATTN_SCALE, VECTOR,  "blk.%d.hc_attn_scale",    "3") \
    X(HYPER_FFN,        LINEAR,  "blk.%d.hc_ffn_fn",        "Hc*E,Hc*Hc+2*Hc") \
    X(HYPER_FFN_BASE,   VECTOR,  "blk.%d.hc_ffn_base",      "Hc*Hc+2*Hc") \
    X(HYPER_FFN_SCALE,  VECTOR,  "blk.%d.hc_ffn_scale",     "3") \
    X(HYPER_OUT,        LINEAR,  "output_hc_fn",            "Hc*E,Hc") \
    X(HYPER_OUT_BASE,   VECTOR,  "output_hc_base",          "Hc") \
    X(HYPER_OUT_SCALE,  VECTOR,  "output_hc_scale",         "1") \
    X(EXPERT_TABLE,     VECTOR,  "blk.%d.ffn_gate_tid2eid", "Nu,V") \
    X(FFN_GATE_CHEXPS,  EXPERTS, "blk.%d.ffn_gate_chexps",  "E,Fc,Nc") \
    X(FFN_UP_CHEXPS,    EXPERTS, "blk.%d.ffn_up_chexps",    "E,Fc,Nc") \
    X(FFN_DOWN_CHEXPS,  EXPERTS, "blk.%d.ffn_down_chexps",  "Fc,E,Nc") \
    X(ATTN_Q_FACTORS,   NORM,    "blk.%d.attn_q_norm",      "1,H") \
    X(KDA_Q,            LINEAR,  "blk.%d.attn_q",           "E,Ka") \
    X(KDA_K,            LINEAR,  "blk.%d.attn_k",           "E,Ka") \
    X(KDA_V,            LINEAR,  "blk.%d.attn_v",           "E,Ka") \
    X(KDA_TAPS_Q,       VECTOR,  "blk.%d.ssm_conv1d_q",     "K,1,Ka") \
    X(KDA_TAPS_K,       VECTOR,  "blk.%d.ssm_conv1d_k",     "K,1,Ka") \
    X(KDA_TAPS_V,       VECTOR,  "blk.%d.ssm_conv1d_v",     "K,1,Ka") \
    X(KDA_F_A,          LINEAR,  "blk.%d.ssm_f_a",          "E,Kd") \
    X(KDA_F_B,          LINEAR,  "blk.%d.ssm_f_b",          "Kd,Ka") \
    X(KDA_G_A,          LINEAR,  "blk.%d.ssm_g_a",          "E,Kd") \
    X(KDA_G_B,          LINEAR,  "blk.%d.ssm_g_b",          "Kd,Ka") \
    X(KDA_BETA,         LINEAR,  "blk.%d.ssm_beta",         "E,Hz") \
    X(KDA_A,            NORM,    "blk.%d.ssm_a",            "1,Hz") \
    X(KDA_DT_BIAS,      BIAS,    "blk.%d.ssm_dt",           "Ka") \
    X(KDA_NORM,         NORM,    "blk.%d.ssm_norm",         "Kd") \
    X(KDA_OUT,          LINEAR,  "blk.%d.attn_output",      "Ka,E") \
    X(TM_LERP_X,        VECTOR,  "blk.%d.time_mix_lerp_x",  "E") \
    X(TM_LERP_W,        VECTOR,  "blk.%d.time_mix_lerp_w",  "E") \
    X(TM_LERP_K,        VECTOR,  "blk.%d.time_mix_lerp_k",  "E") \
    X(TM_LERP_V,        VECTOR,  "blk.%d.time_mix_lerp_v",  "E") \
    X(TM_LERP_R,        VECTOR,  "blk.%d.time_mix_lerp_r",  "E") \
    X(TM_LERP_G,        VECTOR,  "blk.%d.time_mix_lerp_g",  "E") \
    X(TM_LERP_5,        VECTOR,  "blk.%d.time_mix_lerp_fused", "E,1,1,5") \
    X(TM_LERP_6,        VECTOR,  "blk.%d.time_mix_lerp_fused", "E,1,1,6") \
    X(TM_MIX_W1,        LINEAR,  "blk.%d.time_mix_w1",      "E,5*L") \
    X(TM_MIX_W2,        LINEAR,  "blk.%d.time_mix_w2",      "L,E,5") \
    X(TM_FIRST,         VECTOR,  "blk.%d.time_mix_first",   "Hs,Hn") \
    X(TM_DECAY,         VECTOR,  "blk.%d.time_mix_decay",   "E") \
    X(TM_DECAY_W1,      LINEAR,  "blk.%d.time_mix_decay_w1", "E,L6") \
    X(TM_DECAY_W2,      LINEAR,  "blk.%d.time_mix_decay_w2", "L6,E") \
    X(TM_KEY,           LINEAR,  "blk.%d.time_mix_key",     "E,Ek") \
    X(TM_VALUE,         LINEAR,  "blk.%d.time_mix_value",   "E,Ek") \
    X(TM_RECEPTANCE,    LINEAR,  "blk.%d.time_mix_receptance", "E,E") \
    X(TM_GATE,          LINEAR,  "blk.%d.time_mix_gate",    "E,E") \
    X(TM_LN,            NORM,    "blk.%d.time_mix_ln",      "E") \
    X(TM_OUTPUT,        LINEAR,  "blk.%d.time_mix_output",  "E,E") \
    X(TM_W0,            VECTOR,  "blk.%d.time_mix_w0",      "E") \
    X(TM_W1,            LINEAR,  "blk.%d.time_mix_w1",      "E,Lw") \
    X(TM_W2,            LINEAR,  "blk.%d.time_mix_w2",      "Lw,E") \
    X(TM_A0,            VECTOR,  "blk.%d.time_mix_a0",      "E") \
    X(TM_A1,            LINEAR,  "blk.%d.time_mix_a1",      "E,La") \
    X(TM_A2,            LINEAR,  "blk.%d.time_mix_a2",      "La,E") \
    X(TM_V0,            VECTOR,  "blk.%d.time_mix_v0",      "E") \
    X(TM_V1,            LINEAR,  "blk.%d.time_mix_v1",      "E,Lv") \
    X(TM_V2,            LINEAR,  "blk.%d.time_mix_v2",      "Lv,E") \
    X(TM_G1,            LINEAR,  "blk.%d.time_mix_g1",      "E,Lg") \
    X(TM_G2,            LINEAR,  "blk.%d.time_mix_g2",      "Lg,E") \
    X(TM_K_K,           VECTOR,  "blk.%d.time_mix_k_k",     "E") \
    X(TM_K_A,           VECTOR,  "blk.%d.time_mix_k_a",     "E") \
    X(TM_R_K,           VECTOR,  "blk.%d.time_mix_r_k",     "E") \
    X(CM_LERP_K,        VECTOR,  "blk.%d.channel_mix_lerp_k", "E") \
    X(CM_LERP_R,        VECTOR,  "blk.%d.channel_mix_lerp_r", "E") \
    X(CM_KEY,           LINEAR,  "blk.%d.channel_mix_key",  "E,F") \
    X(CM_VALUE,         LINEAR,  "blk.%d.channel_mix_value", "F,E") \
    X(CM_RECEPTANCE,    LINEAR,  "blk.%d.channel_mix_receptance", "E,E") \
    X(SSM_OUT,          LINEAR,  "blk.%d.ssm_out",          "D,E") \
    X(FFN_NORM,         NORM,    "blk.%d.ffn_norm",         "E") \
    X(PRE_FFW_NORM_2,   NORM,    "blk.%d.pre_ffw_norm_2",   "E") \
    X(POST_FFW_NORM_1,  NORM,    "blk.%d.post_ffw_norm_1",  "E") \
    X(POST_FFW_NORM_2,  NORM,    "blk.%d.post_ffw_norm_2",  "E") \
    X(ROUTER_NORM,      NORM,    "blk.%d.ffn_gate_inp.scale", "E") \
    X(ROUTER_NORMED,    MATRIX,  "blk.%d.ffn_gate_inp",     "E,N") \
    X(FFN_NORM_EXPS,    NORM,    "blk.%d.ffn_norm_exps",    "E") \
    X(FFN_GATE,         LINEAR2, "blk.%d.ffn_gate",         "E,F") \
    X(FFN_UP,           LINEAR2, "blk.%d.ffn_up",           "E,F") \
    X(FFN_ACT_SCALES,   NORM,    "blk.%d.ffn.act.scales",   "F") \
    X(FFN_DOWN,         LINEAR2, "blk.%d.ffn_down",         "F,E") \
    X(FFN_GATE_UP,      LINEAR2, "blk.%d.ffn_up",           "E,2*F") \
    X(FFN_GATE_SHEXP,   LINEAR2, "blk.%d.ffn_gate_shexp",   "E,Fs") \
    X(FFN_UP_SHEXP,     LINEAR2, "blk.%d.ffn_up_shexp",     "E,Fs") \
    X(FFN_DOWN_SHEXP,   LINEAR2, "blk.%d.ffn_down_shexp",   "Fs,E") \
    X(FFN_ROUTER_SHEXP, LINEAR,  "blk.%d.ffn_gate_inp_shexp", "E,1") \
    X(EXP_PROBS_B,      BIAS,    "blk.%d.exp_probs_b",      "N") \
    X(FFN_ROUTER,       LINEAR,  "blk.%d.ffn_gate_inp",     "E,N") \
    X(FFN_LATENT_DOWN,  LINEAR,  "blk.%d.ffn_latent_down",  "E,Ei") \
    X(FFN_LATENT_UP,    LINEAR,  "blk.%d.ffn_latent_up",    "Ei,E") \
    X(FFN_GATE_UP_EXPS, EXPERTS, "blk.%d.ffn_gate_up_exps", "Ei,2*Fe,N") \
    X(FFN_GATE_EXPS,    EXPERTS, "blk.%d.ffn_gate_exps",    "Ei,Fe,N") \
    X(FFN_UP_EXPS,      EXPERTS, "blk.%d.ffn_up_exps",      "Ei,Fe,N") \
    X(FFN_DOWN_EXPS,    EXPERTS, "blk.%d.ffn_down_exps",    "Fe,Ei,N") \
    /* One matrix per expert, in files of the first such models: %e is the expert. */ \
    X(FFN_GATE_EXP,     LINEAR,  "blk.%d.ffn_gate.%e",      "E,Fe") \
    X(FFN_UP_EXP,       LINEAR,  "blk.%d.ffn_up.%e",        "E,Fe") \
    X(FFN_DOWN_EXP,     LINEAR,  "blk.%d.ffn_down.%e",      "Fe,E")
/* clang-format on */

enum {
#define X(ID, kind, name, shape) SK_T_##ID,
    SK_SLOTS(X)
#undef X
        SK_N_SLOTS
};

/* A matrix, or one per expert, ready to be multiplied with. All is borrowed from the weights. */
typedef struct sk_linear {
    const void *w;           /* [n_out] rows of row_size bytes; of expert 0 */
    const void *const *w_of; /* [n_expert] the same for each expert, NULL for a plain matrix */
    const float *bias;       /* [n_expert][bias_stride], NULL: none */
    const float *scale;      /* [n_expert], NULL: none */
    int64_t n_in, n_out;
    int64_t n_expert;    /* 0: a plain matrix */
    int64_t bias_stride; /* from one expert's to the next's */
    size_t row_size;     /* bytes */
    int dtype;
    int slot;                 /* its role, for people */
    int32_t tensor;           /* of the file, */
    int64_t row;              /* and which row of it the first one is: what adapters go by; */
    const int32_t *tensor_of; /* [n_expert] where each expert has a tensor, else NULL */
    bool scale_bias;          /* (W x + bias) * scale, instead of (W x) * scale + bias */
} sk_linear;

typedef struct sk_own sk_own;

/* What is made of a tensor; PASSED_OVER: nothing, and that is as it should be. */
enum { SK_USED_NOT, SK_USED, SK_USED_PASSED_OVER };

/* A model's tensors while and after its plan is made. */
typedef struct sk_weights {
    sk_heap *heap;       /* borrowed */
    const sk_gguf *gguf; /* borrowed */
    const sk_hparam *hp; /* borrowed */
    const char *side;    /* before the names of blocks' tensors: "enc.", "dec.", NULL: nothing */
    const void **data;   /* [n_tensors] where each tensor's bytes are or will be; owned */
    uint8_t *used;       /* [n_tensors] SK_USED_..., owned */
    sk_own *own;         /* list of memory that lives as long as the weights */
} sk_weights;

/* `data` of all tensors are the mapped or given bytes, or lie in `copy` (which has room for
 * sk_weights_copy_size bytes and is filled later). Errors: MEMORY. */
int32_t sk_weights_init(sk_weights *weights, sk_heap *heap, const sk_gguf *gguf,
                        const sk_hparam *hp, uint8_t *copy, sk_error *error);
void sk_weights_free(sk_weights *weights);

/* Bytes for a copy of all tensors, each beginning at a multiple of SK_ALIGN; false: too many. */
bool sk_weights_copy_size(const sk_gguf *gguf, uint64_t *size);

/* Zeroed memory that lives as long as the weights. Errors: MEMORY. */
void *sk_weights_keep(sk_weights *weights, uint64_t n, uint64_t size, sk_error *error);

/* Whether the file has the main tensor of a role; `layer` and `expert` where the name has them. */
bool sk_slot_has(const sk_weights *weights, int slot, int64_t layer);

/* Whether that tensor has the shape of the role. */
bool sk_slot_fits(const sk_weights *weights, int slot, int64_t layer);

/* That the tensors of a role, where the file has them, are known and not needed. */
void sk_slot_pass_over(sk_weights *weights, int slot, int64_t layer);

/* The weight of a role. Errors: CORRUPT (missing or misshapen), TYPE, MEMORY, and of reading. */
int32_t sk_slot_linear(sk_weights *weights, int slot, int64_t layer, sk_linear *out,
                       sk_error *error);
int32_t sk_slot_experts(sk_weights *weights, int slot, int64_t layer, sk_linear *out,
                        sk_error *error);
/* The experts of a layer from one tensor each. */
int32_t sk_slot_expert_list(sk_weights *weights, int slot, int64_t layer, sk_linear *out,
                            sk_error *error);
/* The numbers of a role whose tensor is of type I32, as the file has them. */
int32_t sk_slot_ids(sk_weights *weights, int slot, int64_t layer, const void **out,
                    sk_error *error);
/* A norm or vector in F32; to be read when the weights are all there. */
int32_t sk_slot_vector(sk_weights *weights, int slot, int64_t layer, const float **out,
                       sk_error *error);
/* The bias of a norm, NULL where the file has none. */
int32_t sk_slot_vector_bias(sk_weights *weights, int slot, int64_t layer, const float **out,
                            sk_error *error);
/* A vector, or a matrix of floats, read from the file at once: for what the plan itself works with.
 */
int32_t sk_slot_vector_now(sk_weights *weights, int slot, int64_t layer, const float **out,
                           sk_error *error);

/* Rows [row, row + n_out) of `whole` (of each of its experts) as a matrix of their own. `out` must
 * not be `whole`. Errors: MEMORY. */
int32_t sk_linear_rows(sk_weights *weights, const sk_linear *whole, int64_t row, int64_t n_out,
                       sk_linear *out, sk_error *error);

/* The role's name without block and number: "attn_q". `out` has room for 64 bytes. */
void sk_slot_label(int slot, char *out);

#endif
