#include "core/io/other_archs.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

/* Longer names before those they begin with. */
static const struct {
    const char *type, *title;
    const char *tensor; /* what its tensors' names start with; NULL: nothing of its own */
} others[] = {
    {"albert", "an ALBERT", "albert."},
    {"bart", "a BART", NULL},
    {"big_bird", "a BigBird", NULL},
    {"bigbird", "a BigBird", NULL},
    {"camembert", "a CamemBERT (RoBERTa)", NULL},
    {"convbert", "a ConvBERT", "convbert."},
    {"deberta-v2", "a DeBERTa-v2", NULL},
    {"deberta", "a DeBERTa", "deberta."},
    {"electra", "an ELECTRA", "electra."},
    {"ernie", "an ERNIE", "ernie."},
    {"eurobert", "a EuroBERT", NULL},
    {"flaubert", "a FlauBERT", NULL},
    {"fnet", "an FNet", "fnet."},
    {"funnel", "a Funnel Transformer", "funnel."},
    {"gpt", "a GPT", "transformer.h."},
    {"ibert", "an I-BERT", "ibert."},
    {"layoutlm", "a LayoutLM", "layoutlm."},
    {"led", "an LED", "led."},
    {"llama", "a Llama", NULL},
    {"longformer", "a Longformer", "longformer."},
    {"megatron-bert", "a Megatron-BERT (pre-LN)", NULL},
    {"megatronbert", "a Megatron-BERT (pre-LN)", NULL},
    {"mistral", "a Mistral", NULL},
    {"mobilebert", "a MobileBERT", "mobilebert."},
    {"modernbert", "a ModernBERT", NULL},
    {"mpnet", "an MPNet", "mpnet."},
    {"mt5", "an mT5", NULL},
    {"nezha", "a NEZHA", "nezha."},
    {"nomic_bert", "a Nomic BERT", NULL},
    {"nystromformer", "a Nystromformer", "nystromformer."},
    {"qwen", "a Qwen", NULL},
    {"reformer", "a Reformer", "reformer."},
    {"rembert", "a RemBERT", "rembert."},
    {"roberta", "a RoBERTa", "roberta."},
    {"roformer", "a RoFormer", "roformer."},
    {"splinter", "a Splinter", "splinter."},
    {"squeezebert", "a SqueezeBERT", NULL},
    {"t5", "a T5", "encoder.block."},
    {"xlm-roberta", "an XLM-RoBERTa", NULL},
    {"xlmroberta", "an XLM-RoBERTa", NULL},
    {"xlm", "an XLM", NULL},
    {"xlnet", "an XLNet", "transformer.word_embedding."},
    {"xmod", "an X-MOD", NULL},
    {"yoso", "a YOSO", "yoso."},
};

/* That `s` starts with `start`, whatever the case. */
static bool starts(const char *s, const char *start)
{
    for (; *start; s++, start++)
        if (tolower((unsigned char)*s) != *start)
            return false;
    return true;
}

const char *oc__other_arch(const char *type_or_class)
{
    for (int i = 0; i < OC_COUNT(others); i++)
        if (starts(type_or_class, others[i].type))
            return others[i].title;
    return NULL;
}

const char *oc__other_arch_tensor(const char *name)
{
    for (int i = 0; i < OC_COUNT(others); i++)
        if (others[i].tensor && oc_str_starts(name, others[i].tensor))
            return others[i].title;
    // Pre-LN: the LayerNorm stands before attention, and one more at the end of the stack.
    if (oc_str_starts(name, "bert.encoder.ln.") || strstr(name, ".attention.ln."))
        return "a Megatron-BERT (pre-LN)";
    if (strstr(name, ".attention.self.in_proj") || strstr(name, ".rel_embeddings."))
        return "a DeBERTa";
    if (oc_str_starts(name, "model.layers.") || oc_str_starts(name, "layers."))
        return "a Llama-like or ModernBERT";
    return NULL;
}
